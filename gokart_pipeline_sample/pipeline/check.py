"""Check the accuracy."""

from collections.abc import Sequence
from logging import getLogger
from typing import Any

import gokart
import luigi
import numpy as np
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.model.model_input import Rows, encode_target
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.quality.requirements import AccuracyParameter, RequirementsParameter, judge
from gokart_pipeline_sample.pipeline.quality.scores import compare_with_baseline
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
    test_task: TaskParameter[Rows] = TaskParameter("Outputs the predicted rows.")
    require_acc: ShareParameter = AccuracyParameter(
        default=QUALITY.require_acc, description="Share of right predictions to exceed."
    )
    require: RequirementsParameter = RequirementsParameter(
        default=QUALITY.require, description="Other figures, as recall[1]>=0.5, or mae<0.7*baseline of a number."
    )
    require_better: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=True, description="Whether it must beat the most frequent class or the median at a confidence of 0.95."
    )
    metrics_task: OptionalTaskParameter = OptionalTaskParameter(description="Outputs the figures to check.")

    def run(self) -> None:
        """Check the predictions and save them."""
        metrics = self.load("metrics_task") if self.metrics_task else None
        if self.require and not metrics:
            raise ValueError(f"the requirements {self.require!r} need the metrics: give metrics_task")
        # check_accuracy compares the accuracy itself.
        require_better = self.require_better and self.require_acc is None
        failures = judge(metrics, self.require, require_better) if metrics else []
        prediction, test = self.load(self.pred_task), self.load(self.test_task)
        self.dump(self.check_accuracy(prediction, test, self.require_acc, failures, self.require_better))

    @staticmethod
    @pa.check_types(lazy=True)
    def check_accuracy(
        prediction: DataFrame[OutputSchema],
        test: Rows,
        require_acc: float | None,
        failures: Sequence[str] = (),
        require_better: bool = True,
    ) -> DataFrame[OutputSchema]:
        """Return a copy of the predictions, with their accuracy in ``attrs["accuracy"]``, if it is high enough.

        Predictions are matched with the rows by id; ``failures`` are other requirements that are not met. Of numbers,
        which have a mean absolute error ``attrs["mae"]`` instead, nothing else is required: ``require_acc`` is None.

        Raise an AccuracyTooLowError if the accuracy does not exceed the required one, there are failures, or the model
        is to be better than the most frequent class of the rows, and is not at a confidence of 0.95; a ValueError if
        the required accuracy is not between 0 and 1, or predictions and rows do not match.
        """
        matched = MakeOutputTask.make_output(prediction, test)
        truth = encode_target(PreprocessedSchema, test).to_numpy()
        predicted = encode_target(OutputSchema, matched).to_numpy()
        is_number = PreprocessedSchema.predicts_number()
        value = float((np.abs(truth - predicted) if is_number else truth == predicted).mean())
        if require_acc is not None:
            if not 0 <= require_acc <= 1:
                raise ValueError(f"require_acc is {require_acc}: give a number from 0 to 1")
            if not value > require_acc:
                failures = [f"the accuracy {value} does not exceed the required {require_acc}", *failures]
            if require_better:
                p_value = compare_with_baseline(truth, predicted, test.get(PreprocessedSchema.group_column()))
                frequent = np.bincount(truth).max() / len(truth)
                document = {"model": {"accuracy": value}, "baseline": {"accuracy": frequent}}
                failures = [*failures, *QUALITY.find_baseline_failures({**document, "baseline_p_value": p_value})]
        if failures:
            raise AccuracyTooLowError(f"{'; '.join(failures)}: nothing is published")
        logger.info("the %s %s meets what is required: %s", QUALITY.figure, value, require_acc or "see require")
        checked = prediction.copy()
        checked.attrs[QUALITY.figure] = value
        return checked
