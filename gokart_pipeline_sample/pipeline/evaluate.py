"""Evaluate the model."""

from logging import getLogger

import luigi
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.pipeline.model.model_input import Rows
from gokart_pipeline_sample.pipeline.quality.find_warnings import find_model_warnings, find_warnings
from gokart_pipeline_sample.pipeline.quality.importances import measure_importances
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.quality.metrics import Common, LearningCurve, Metrics
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema, match_by_id
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.shown_task import ShownTask

logger = getLogger(__name__)


class EvaluateTask(ShownTask[Metrics]):
    """Outputs ``metrics.json``, a :class:`Metrics` document: the metrics of the model on the test rows."""

    document, file_name = "metrics", "metrics.json"

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the model.")
    pred_task: TaskParameter[DataFrame[PredictionSchema]] = TaskParameter("Outputs their predictions.")
    train_task: TaskParameter[Rows] = TaskParameter("Outputs the training rows.")
    test_task: TaskParameter[Rows] = TaskParameter("Outputs the predicted rows.")
    permutation_repeats: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=5, var_type=int, min_value=0, max_value=1000, description="Shuffles of each feature; 0 for none."
    )
    random_state: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of the shuffling.")

    def run(self) -> None:
        """Evaluate the model and save the metrics."""
        model, prediction = self.load(self.model_task), self.load(self.pred_task)
        train, test = self.load(self.train_task), self.load(self.test_task)
        metrics = self.evaluate(model, prediction, train, test, **self.plain_parameters())
        for warning in metrics["warnings"]:
            logger.warning("%s", warning)
        self.dump(metrics)

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def evaluate(
        model: Booster, prediction: DataFrame[PredictionSchema], train: Rows, test: Rows, **shuffling: int
    ) -> Metrics:
        """Compute all metrics of a model; raise a ValueError if its predictions are not of the test rows."""
        matched = match_by_id(prediction, test[PreprocessedSchema.id_column()])
        curve, groups = get_kept(model, "learning_curve"), test.get(PreprocessedSchema.group_column())
        ((loss, losses),) = curve["valid"].items()
        common = Common(
            rows=len(test),
            groups=None if groups is None else groups.nunique(),
            importances=measure_importances(model, test, **shuffling),
            learning_curve=LearningCurve(
                loss=loss, train=curve["train"][loss], valid=losses, model_rounds=model.current_iteration()
            ),
            warnings=find_warnings(train, test, model),
        )
        metrics = QUALITY.measure(common, model, matched, train, test)
        metrics["warnings"][:0] = find_model_warnings(metrics, model.params.get("early_stopping_round", 0))
        return metrics
