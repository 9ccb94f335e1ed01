"""Say how good the model is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import gokart
import luigi
import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from gokart.target import TargetOnKart
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.json_document import JsonProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.schemas.metrics import (
    CalibrationBin,
    ClassScores,
    Importance,
    Interval,
    LearningCurve,
    Metrics,
    Scores,
    WrongRow,
)
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask

if TYPE_CHECKING:
    from gokart_pipeline_sample.pipeline.train import TrainTask

CONFIDENCE = 0.95
CALIBRATION_BINS = 10
SHOWN_WRONG_ROWS = 10
# More rows than these make an importance no clearer, but cost a prediction for each feature and shuffle.
SHUFFLED_ROWS = 10_000

Codes = npt.NDArray[np.integer[Any]]
Probabilities = npt.NDArray[np.float64]


class EvaluateTask(GokartTask[Metrics]):
    """Puts out ``metrics.json``, a :class:`Metrics` document: how good the model is on the test rows."""

    model_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[Booster]] = gokart.TaskInstanceParameter(
        description="Task that puts out the model, and keeps its learning curve."
    )
    pred_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PredictionSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that puts out the PredictionSchema frame of the test rows.")
    )
    test_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that puts out the PreprocessedSchema frame that was predicted.")
    )
    permutation_repeats: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=5,
        var_type=int,
        min_value=1,
        max_value=1000,
        description="How often the values of each feature are shuffled.",
    )
    random_state: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of the shuffling.")

    def output(self) -> TargetOnKart:
        """Return the JSON file of the figures."""
        return self.make_target("metrics.json", processor=JsonProcessor())

    def run(self) -> None:
        """Evaluate, and keep the figures."""
        curve = cast("TrainTask", self.model_task).make_learning_curve_target().load()
        model, prediction, test = self.load(self.model_task), self.load(self.pred_task), self.load(self.test_task)
        self.dump(self.evaluate(model, prediction, test, curve, **self.plain_parameters()))

    @staticmethod
    @pa.check_types(lazy=True)
    def evaluate(
        model: Booster,
        prediction: DataFrame[PredictionSchema],
        test: DataFrame[PreprocessedSchema],
        curve: dict[str, dict[str, list[float]]],
        permutation_repeats: int,
        random_state: int,
    ) -> Metrics:
        """Compute how good a model is.

        Args:
            model: the model.
            prediction: its predictions, in any order: they are matched with the rows by id.
            test: the rows, with their target.
            curve: the losses of the training, as :meth:`TrainTask.fit` gives them.
            permutation_repeats: how often the values of each feature are shuffled.
            random_state: seed of the shuffling.

        Raises:
            pandera.errors.SchemaErrors: a frame breaks its schema, or the target is missing.
            ValueError: predictions and rows do not match.
        """
        from sklearn.dummy import DummyClassifier
        from sklearn.metrics import confusion_matrix

        truth = PreprocessedSchema.encode_target(test).to_numpy()
        matched = MakeOutputTask.match(prediction, test[PreprocessedSchema.id_column()])
        predicted = PredictionSchema.encode_target(matched).to_numpy()
        probabilities = matched[PredictionSchema.probability_columns()].to_numpy()
        labels = range(probabilities.shape[1])

        baseline = DummyClassifier(strategy="prior").fit(truth, truth)
        baseline_probabilities = np.zeros_like(probabilities)
        baseline_probabilities[:, baseline.classes_] = baseline.predict_proba(truth)
        scores = EvaluateTask.score(truth, predicted, probabilities)
        return Metrics(
            rows=len(test),
            model=scores,
            baseline=EvaluateTask.score(truth, baseline.predict(truth), baseline_probabilities),
            accuracy_interval=EvaluateTask.make_interval(scores["accuracy"], len(test)),
            classes=EvaluateTask.score_classes(truth, predicted, probabilities),
            confusion_matrix=confusion_matrix(truth, predicted, labels=labels).tolist(),
            calibration=EvaluateTask.calibrate(truth == predicted, probabilities[np.arange(len(test)), predicted]),
            importances=EvaluateTask.weigh_features(model, test, permutation_repeats, random_state),
            learning_curve=EvaluateTask.describe_curve(curve, model.current_iteration()),
            most_confidently_wrong=EvaluateTask.find_wrong(test, matched),
        )

    @staticmethod
    def score(truth: Codes, predicted: Codes, probabilities: Probabilities) -> Scores:
        """Rate predictions as a whole.

        Args:
            truth: number of the true class of each row.
            predicted: number of the predicted class of each row.
            probabilities: probability of each class (columns), row by row.
        """
        from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, recall_score

        labels = range(probabilities.shape[1])
        areas = [_area_under_curve(truth, probabilities, label) for label in labels]
        known = [area for area in areas if area is not None]
        return Scores(
            accuracy=float(accuracy_score(truth, predicted)),
            # What balanced_accuracy_score says too, but with a warning if a class is predicted that no row has.
            balanced_accuracy=float(recall_score(truth, predicted, labels=np.unique(truth), average="macro")),
            log_loss=float(log_loss(truth, probabilities, labels=labels)),
            brier_score=float(brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False)),
            roc_auc=sum(known) / len(known) if len(known) == len(areas) else None,
        )

    @staticmethod
    def make_interval(accuracy: float, rows: int) -> Interval:
        """Return the percentile bootstrap interval of an accuracy.

        The bootstrap draws rows with replacement, and each is right with a probability of the accuracy. So the number
        of right ones is binomial, and its quantiles are what endless drawing would give: Efron and Tibshirani, An
        Introduction to the Bootstrap (1993), chapter 13.
        """
        from scipy.stats import binom

        low, high = binom.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], rows, accuracy) / rows
        return Interval(level=CONFIDENCE, low=float(low), high=float(high))

    @staticmethod
    def score_classes(truth: Codes, predicted: Codes, probabilities: Probabilities) -> list[ClassScores]:
        """Rate each class against the rest; see :meth:`score`."""
        from sklearn.metrics import precision_recall_fscore_support

        names = PreprocessedSchema.target_classes()
        scores = precision_recall_fscore_support(truth, predicted, labels=range(len(names)), zero_division=np.nan)
        return [
            ClassScores(
                name=name,
                rows=int(rows),
                precision=_number_or_none(precision),
                recall=_number_or_none(recall),
                f1=_number_or_none(f1),
                roc_auc=_area_under_curve(truth, probabilities, label),
            )
            for label, (name, precision, recall, f1, rows) in enumerate(zip(names, *scores, strict=True))
        ]

    @staticmethod
    def calibrate(right: npt.NDArray[np.bool_], confidence: Probabilities) -> list[CalibrationBin]:
        """Compare how probable predicted classes are with how often they are right.

        Args:
            right: whether each row is predicted rightly.
            confidence: probability of the predicted class of each row.

        Returns:
            The bins of equal width that have rows, in order.
        """
        from sklearn.calibration import calibration_curve

        accuracies, means = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)
        edges = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
        rows = pd.cut(pd.Series(confidence), edges, include_lowest=True).value_counts(sort=False)
        return [
            CalibrationBin(probability=float(mean), accuracy=float(accuracy), rows=int(count))
            for mean, accuracy, count in zip(means, accuracies, rows[rows > 0], strict=True)
        ]

    @staticmethod
    def weigh_features(
        model: Booster, test: DataFrame[PreprocessedSchema], permutation_repeats: int, random_state: int
    ) -> list[Importance]:
        """Tell how much each feature matters; see :meth:`evaluate`."""
        from sklearn.frozen import FrozenEstimator
        from sklearn.inspection import permutation_importance

        features = PreprocessedSchema.select_features(test)
        permutation = permutation_importance(
            FrozenEstimator(model),
            features,
            PreprocessedSchema.encode_target(test),
            # scikit-learn's accuracy_score takes longer than the prediction.
            scoring=lambda frozen, rows, truth: float((frozen.predict(rows).argmax(axis=1) == truth).mean()),
            n_repeats=permutation_repeats,
            random_state=random_state,
            max_samples=min(len(test), SHUFFLED_ROWS),
        )
        gains = model.feature_importance("gain")
        return [
            Importance(feature=name, gain=float(gain), permutation=float(mean), permutation_std=float(std))
            for name, gain, mean, std in zip(
                features.columns, gains, permutation.importances_mean, permutation.importances_std, strict=True
            )
        ]

    @staticmethod
    def describe_curve(curve: dict[str, dict[str, list[float]]], model_rounds: int) -> LearningCurve:
        """Return the losses of the training with their name, and how many rounds the model keeps."""
        (loss,) = curve["valid"]
        return LearningCurve(
            loss=loss, train=curve["train"][loss], valid=curve["valid"][loss], model_rounds=model_rounds
        )

    @staticmethod
    def find_wrong(test: DataFrame[PreprocessedSchema], matched: pd.DataFrame) -> list[WrongRow]:
        """Return the rows that the model is most sure of among those that it predicts wrongly.

        Args:
            test: the rows, with their target.
            matched: their predictions, in the same order.
        """
        truth = test[PreprocessedSchema.target_column()].to_numpy()
        predicted = matched[PredictionSchema.target_column()].to_numpy()
        confidence = matched[PredictionSchema.probability_columns()].max(axis=1)
        wrong = confidence[truth != predicted].sort_values(ascending=False, kind="stable").index[:SHOWN_WRONG_ROWS]
        features = test.reset_index(drop=True)[PreprocessedSchema.feature_columns()].astype(object)
        # JSON knows neither.
        features = features.where(features.notna() & ~features.isin([np.inf, -np.inf]), None)
        ids = test[PreprocessedSchema.id_column()].tolist()
        return [
            WrongRow(
                id=ids[row],
                target=truth[row].item() if isinstance(truth[row], np.generic) else truth[row],
                pred=predicted[row].item() if isinstance(predicted[row], np.generic) else predicted[row],
                probability=float(confidence[row]),
                features=features.loc[row].to_dict(),
            )
            for row in wrong
        ]


def _area_under_curve(truth: Codes, probabilities: Probabilities, label: int) -> float | None:
    """Return the area under the ROC curve of one class against the rest, if there are rows of both."""
    from sklearn.metrics import roc_auc_score

    positive = truth == label
    return float(roc_auc_score(positive, probabilities[:, label])) if positive.any() and not positive.all() else None


def _number_or_none(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)
