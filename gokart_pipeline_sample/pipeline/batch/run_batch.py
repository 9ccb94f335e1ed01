"""Score a table of new rows with a model that passed the accuracy check."""

from typing import Any

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.publish_batch import PublishBatchTask
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference
from gokart_pipeline_sample.pipeline.run_middle import wire_data, wire_model
from gokart_pipeline_sample.utils.parameters import borrow
from gokart_pipeline_sample.utils.table_task import TABLE_PARAMETERS, TableTask
from gokart_pipeline_sample.utils.template import GokartTask, ViewTask


class RunBatchTask(ViewTask[dict[str, Any]], TableTask[dict[str, Any]]):
    """Trains a model and, if it is accurate enough, scores a table of new rows and publishes the predictions on S3."""

    table, encoding, delimiter, decimal = (borrow(ScoreTableTask, name) for name in TABLE_PARAMETERS)
    prefix = borrow(ScoreTableTask, "prefix")
    output_format = borrow(ScoreTableTask, "output_format")
    rows_per_part = borrow(ScoreTableTask, "rows_per_part")
    with_proba = borrow(ScoreTableTask, "with_proba")
    on_bad_row = borrow(GuardTableTask, "on_bad_row")
    max_rejected_share = borrow(GuardTableTask, "max_rejected_share")
    require_acc = borrow(CheckAccuracyTask, "require_acc")
    on_shift = borrow(PublishBatchTask, "on_shift")

    def requires(self) -> PublishBatchTask:
        """Wire the tasks."""
        guarded = self.guard()
        trained = wire_model(wire_data(), self.require_acc, after=[guarded])
        return self.publish(guarded, trained.model, trained.reference, checked_task=trained.checked)

    def guard(self) -> GuardTableTask:
        """Wire the check of the table."""
        gate = {"on_bad_row": self.on_bad_row, "max_rejected_share": self.max_rejected_share}
        return GuardTableTask(**self.table_parameters(), **gate)

    def publish(
        self,
        guarded: GuardTableTask,
        model: GokartTask[Booster],
        reference: GokartTask[Reference],
        checked_task: CheckAccuracyTask | None = None,
        champion: dict[str, Any] | None = None,
    ) -> PublishBatchTask:
        """Wire scoring and publishing with a model that is checked, or is the champion."""
        scored = ScoreTableTask(
            model_task=model,
            reference_task=reference,
            checked_task=checked_task,
            champion=champion or {},
            guard_task=guarded,
            **self.table_parameters(),
            prefix=self.prefix,
            output_format=self.output_format,
            rows_per_part=self.rows_per_part,
            with_proba=self.with_proba,
        )
        return PublishBatchTask(
            score_task=scored, checked_task=checked_task, require_acc=self.require_acc, on_shift=self.on_shift
        )
