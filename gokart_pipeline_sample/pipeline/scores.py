"""Metrics of a model; ``Codes`` are class numbers, in the order of the schema."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.schemas.metrics import (
    CalibrationBin,
    ClassScores,
    Importance,
    Interval,
    LearningCurve,
    Losses,
    Scores,
    WrongRow,
)
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

CONFIDENCE = 0.95
CALIBRATION_BINS = 10
SHOWN_WRONG_ROWS = 10
# More rows would hardly change the importances, but each feature and shuffle costs a prediction of all of them.
SHUFFLED_ROWS = 10_000

Codes = npt.NDArray[np.integer[Any]]
Probabilities = npt.NDArray[np.float64]


def score(truth: Codes, predicted: Codes, probabilities: Probabilities) -> Scores:
    """Score all predictions.

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
        # The same as balanced_accuracy_score, which warns if a class is predicted that no row has.
        balanced_accuracy=float(recall_score(truth, predicted, labels=np.unique(truth), average="macro")),
        log_loss=float(log_loss(truth, probabilities, labels=labels)),
        brier_score=float(brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False)),
        roc_auc=sum(known) / len(known) if len(known) == len(areas) else None,
    )


def make_interval(accuracy: float, rows: int) -> Interval:
    """Return the percentile bootstrap interval of an accuracy.

    The bootstrap draws rows with replacement, and each draw is correct with a probability equal to the accuracy. So the
    number of correct predictions is binomial, and its quantiles are the limit of infinitely many draws: Efron and
    Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    from scipy.stats import binom

    low, high = binom.ppf([(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], rows, accuracy) / rows
    return Interval(level=CONFIDENCE, low=float(low), high=float(high))


def score_classes(truth: Codes, predicted: Codes, probabilities: Probabilities) -> list[ClassScores]:
    """Score each class against the rest; see :func:`score`."""
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


def measure_calibration(right: npt.NDArray[np.bool_], confidence: Probabilities) -> list[CalibrationBin]:
    """Compare the probabilities of predicted classes with the share of correct predictions.

    Args:
        right: whether each prediction is correct.
        confidence: probability of the predicted class of each row.

    Returns:
        The non-empty bins, which have equal widths, in order.
    """
    from sklearn.calibration import calibration_curve

    accuracies, means = calibration_curve(right, confidence, n_bins=CALIBRATION_BINS)
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
    rows = pd.cut(pd.Series(confidence), edges, include_lowest=True).value_counts(sort=False)
    return [
        CalibrationBin(probability=float(mean), accuracy=float(accuracy), rows=int(count))
        for mean, accuracy, count in zip(means, accuracies, rows[rows > 0], strict=True)
    ]


def measure_importances(
    model: Booster, test: DataFrame[PreprocessedSchema], permutation_repeats: int, random_state: int
) -> list[Importance]:
    """Measure the importance of each feature; see :meth:`EvaluateTask.evaluate`."""
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


def describe_curve(curve: Losses, model_rounds: int) -> LearningCurve:
    """Return the losses of each round, the name of the loss, and the number of rounds that the model keeps."""
    (loss,) = curve["valid"]
    return LearningCurve(loss=loss, train=curve["train"][loss], valid=curve["valid"][loss], model_rounds=model_rounds)


def find_wrong(test: DataFrame[PreprocessedSchema], matched: pd.DataFrame) -> list[WrongRow]:
    """Return the wrong predictions with the highest probabilities.

    Args:
        test: the rows, with their target.
        matched: their predictions, in the same order.
    """
    truth = test[PreprocessedSchema.target_column()].to_numpy()
    predicted = matched[PredictionSchema.target_column()].to_numpy()
    confidence = matched[PredictionSchema.probability_columns()].max(axis=1)
    wrong = confidence[truth != predicted].sort_values(ascending=False, kind="stable").index[:SHOWN_WRONG_ROWS]
    features = test.reset_index(drop=True)[PreprocessedSchema.feature_columns()].astype(object)
    # JSON has neither NaN nor infinity.
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
