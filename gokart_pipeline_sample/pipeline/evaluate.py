"""Evaluate the model."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import gokart
import luigi
import numpy as np
import pandera.pandas as pa
from gokart.target import TargetOnKart
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline import scores
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.schemas.metrics import Losses, Metrics
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask

if TYPE_CHECKING:
    from gokart_pipeline_sample.pipeline.train import TrainTask


class EvaluateTask(GokartTask[Metrics]):
    """Outputs ``metrics.json``, a :class:`Metrics` document: the metrics of the model on the test rows."""

    model_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[Booster]] = gokart.TaskInstanceParameter(
        description="Task that outputs the model and saves its learning curve."
    )
    pred_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PredictionSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that outputs the PredictionSchema frame of the test rows.")
    )
    test_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that outputs the predicted rows, a PreprocessedSchema frame.")
    )
    permutation_repeats: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=5, var_type=int, min_value=1, max_value=1000, description="Number of times each feature is shuffled."
    )
    random_state: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of the shuffling.")

    def output(self) -> TargetOnKart:
        """Return the JSON file of the metrics."""
        return self.make_target("metrics.json")

    def run(self) -> None:
        """Evaluate the model and save the metrics."""
        curve = cast("TrainTask", self.model_task).make_learning_curve_target().load()
        model, prediction, test = self.load(self.model_task), self.load(self.pred_task), self.load(self.test_task)
        self.dump(self.evaluate(model, prediction, test, curve, **self.plain_parameters()))

    @staticmethod
    @pa.check_types(lazy=True)
    def evaluate(
        model: Booster,
        prediction: DataFrame[PredictionSchema],
        test: DataFrame[PreprocessedSchema],
        curve: Losses,
        permutation_repeats: int,
        random_state: int,
    ) -> Metrics:
        """Compute all metrics.

        Args:
            model: the model.
            prediction: its predictions, in any order; they are matched with the rows by id.
            test: the rows, with their target.
            curve: the losses of the training, as :meth:`TrainTask.fit` returns them.
            permutation_repeats: number of times each feature is shuffled.
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

        baseline = DummyClassifier(strategy="prior").fit(truth, truth)
        baseline_probabilities = np.zeros_like(probabilities)
        baseline_probabilities[:, baseline.classes_] = baseline.predict_proba(truth)
        model_scores = scores.score(truth, predicted, probabilities)
        return Metrics(
            rows=len(test),
            model=model_scores,
            baseline=scores.score(truth, baseline.predict(truth), baseline_probabilities),
            accuracy_interval=scores.make_interval(model_scores["accuracy"], len(test)),
            classes=scores.score_classes(truth, predicted, probabilities),
            confusion_matrix=confusion_matrix(truth, predicted, labels=range(probabilities.shape[1])).tolist(),
            calibration=scores.measure_calibration(truth == predicted, probabilities[np.arange(len(test)), predicted]),
            importances=scores.measure_importances(model, test, permutation_repeats, random_state),
            learning_curve=scores.describe_curve(curve, model.current_iteration()),
            most_confidently_wrong=scores.find_wrong(test, matched),
        )
