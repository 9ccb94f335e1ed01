"""What a run publishes."""

from __future__ import annotations

from logging import getLogger
from typing import NamedTuple, cast

from gokart_pipeline_sample.io.s3 import S3CsvTarget, S3Error
from gokart_pipeline_sample.io.s3_batch import S3PointerTarget
from gokart_pipeline_sample.monitoring.task_graph import TaskGraph
from gokart_pipeline_sample.pipeline.run import RunBatchTask, RunTask

logger = getLogger(__name__)


class Publication(NamedTuple):
    """What a run publishes, or would.

    Args:
        task_id: id of the task that puts it.
        target: where to.
        required_accuracy: what the accuracy must exceed.
    """

    task_id: str
    target: S3CsvTarget | S3PointerTarget
    required_accuracy: float

    def describe(self) -> dict[str, str]:
        """Return the accuracy, the number of rows and the like, as S3 says; nothing if it does not answer."""
        try:
            return self.target.describe()
        except S3Error as error:
            # It is published all the same.
            logger.warning("%s", error)
            return {}


def find_publication(graph: TaskGraph) -> Publication | None:
    """Return what is published last, if anything is."""
    for task_id, task in reversed(graph.tasks.items()):
        if isinstance(task, (RunTask, RunBatchTask)):
            (put_id,) = graph.requirements(task_id)
            target = cast("S3CsvTarget | S3PointerTarget", graph.tasks[put_id].output())
            return Publication(put_id, target, task.require_acc)
    return None
