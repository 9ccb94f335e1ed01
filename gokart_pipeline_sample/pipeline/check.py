"""Check the accuracy."""

from collections.abc import Sequence
from logging import getLogger
from typing import Any

import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.quality.requirements import RequirementsParameter, find_failures
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, ShareParameter, TaskParameter
from gokart_pipeline_sample.utils.shown_task import ShownTask

logger = getLogger(__name__)


class CheckAccuracyTask(ShownTask[DataFrame[OutputSchema]]):
    """Outputs the predictions if they are accurate enough, with the accuracy in ``DataFrame.attrs``.

    It stores a copy: gokart does not run a task whose output exists, and only a successful check may complete it.
    """

    pred_task: TaskParameter[DataFrame[Any]] = TaskParameter("Outputs at least OutputSchema.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the predicted rows.")
    require_acc: ShareParameter = ShareParameter(
        default=0.9, description="Share of right predictions that the model must exceed."
    )
    require: RequirementsParameter = RequirementsParameter(
        default="", description="Further requirements, such as balanced_accuracy>0.8, recall[1]>=0.5."
    )
    metrics_task: OptionalTaskParameter = OptionalTaskParameter(
        description="Task that outputs the metrics that these requirements are about."
    )

    def run(self) -> None:
        """Check the predictions and save them."""
        metrics = self.load("metrics_task") if self.metrics_task else None
        failures = find_failures(metrics, self.require)
        prediction, test = self.load(self.pred_task), self.load(self.test_task)
        self.dump(self.check_accuracy(prediction, test, self.require_acc, failures))

    @staticmethod
    @pa.check_types(lazy=True)
    def check_accuracy(
        prediction: DataFrame[OutputSchema],
        test: DataFrame[PreprocessedSchema],
        require_acc: float,
        failures: Sequence[str] = (),
    ) -> DataFrame[OutputSchema]:
        """Return a copy of the predictions, with their accuracy in ``attrs["accuracy"]``, if it is high enough.

        Predictions are matched with the rows by id; ``failures`` are other requirements that are not met.

        Raises:
            AccuracyTooLowError: the accuracy does not exceed the required one, or there are failures.
            pandera.errors.SchemaErrors: a frame breaks its schema, or the target is missing.
            ValueError: the required accuracy is not between 0 and 1, or predictions and rows do not match.
        """
        from sklearn.metrics import accuracy_score

        if not 0 <= require_acc <= 1:
            raise ValueError(f"require_acc is {require_acc}: give a number from 0 to 1")
        PreprocessedSchema.require_target(test)
        matched = MakeOutputTask.make_output(prediction, test)
        truth, predicted = test[PreprocessedSchema.target_column()], matched[OutputSchema.target_column()]
        accuracy = float(accuracy_score(truth, predicted))
        if not accuracy > require_acc:
            failures = [f"the accuracy {accuracy} does not exceed the required {require_acc}", *failures]
        if failures:
            raise AccuracyTooLowError(f"{'; '.join(failures)}: nothing is published")
        logger.info("the accuracy %s exceeds the required %s", accuracy, require_acc)
        checked = prediction.copy()
        checked.attrs["accuracy"] = accuracy
        return checked
