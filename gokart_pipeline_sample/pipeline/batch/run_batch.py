"""Score a table of new rows with a model that passed the accuracy check."""

from typing import Any

import luigi

from gokart_pipeline_sample.pipeline.batch.deliver_batch import DeliverBatchTask
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.publish_batch import PublishBatchTask
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.run_middle import wire_data, wire_model
from gokart_pipeline_sample.utils.parameters import borrow
from gokart_pipeline_sample.utils.shown_task import PublisherTask
from gokart_pipeline_sample.utils.table_task import TABLE_PARAMETERS, TableTask
from gokart_pipeline_sample.utils.template import ViewTask


class RunBatchTask(ViewTask[dict[str, Any]], TableTask[dict[str, Any]]):
    """Trains a model and, if it is accurate enough, scores a table of new rows and publishes the predictions on S3."""

    table, encoding, delimiter, decimal = (borrow(ScoreTableTask, name) for name in TABLE_PARAMETERS)
    prefix = borrow(ScoreTableTask, "prefix")
    output_format = borrow(ScoreTableTask, "output_format")
    rows_per_part = borrow(ScoreTableTask, "rows_per_part")
    with_proba = borrow(ScoreTableTask, "with_proba")
    with_reasons = borrow(ScoreTableTask, "with_reasons")
    on_bad_row = borrow(GuardTableTask, "on_bad_row")
    max_rejected_share = borrow(GuardTableTask, "max_rejected_share")
    min_rows = borrow(GuardTableTask, "min_rows")
    require_acc = borrow(PublishBatchTask, "require_acc")
    on_shift = borrow(PublishBatchTask, "on_shift")
    lookups = borrow(ScoreTableTask, "lookups")
    deliver_to: luigi.Parameter[str] = luigi.Parameter("", description="SOURCE:TABLE of a database for the rows, too.")

    def requires(self) -> PublisherTask[Any]:
        """Wire the tasks."""
        trained = wire_model(wire_data(self.lookups), self.require_acc, after=[self.guard()])
        return self.publish(trained.checked, model_task=trained.model, reference_task=trained.reference)

    def guard(self) -> GuardTableTask:
        """Wire the check of the table."""
        return GuardTableTask(**self.parameters_of(GuardTableTask))

    def publish(self, checked_task: CheckAccuracyTask | None = None, **model: Any) -> PublisherTask[Any]:
        """Wire scoring, publishing and delivering with a ``model``, as :class:`ScoreTableTask` has to know it."""
        # Scoring waits for the check, which is not an input: a stricter one does not change the predictions.
        waited = checked_task and checked_task.clone(significant=False)  # type: ignore[no-untyped-call]
        scored = ScoreTableTask(
            guard_task=self.guard(), checked_task=waited, **model, **self.parameters_of(ScoreTableTask)
        )
        batch = PublishBatchTask(score_task=scored, checked_task=checked_task, **self.parameters_of(PublishBatchTask))
        source, _, table = self.deliver_to.partition(":")
        return DeliverBatchTask(publish_task=batch, source=source, into=table) if self.deliver_to else batch
