"""What a run publishes."""

from __future__ import annotations

from logging import getLogger
from typing import NamedTuple

from gokart_pipeline_sample.io.s3 import S3CsvTarget, S3Error
from gokart_pipeline_sample.io.s3_batch import S3PointerTarget
from gokart_pipeline_sample.pipeline.batch.publish_batch import PublishBatchTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from pipeline_runner.task_graph import TaskGraph

logger = getLogger(__name__)


class Publication(NamedTuple):
    """What a run publishes, or would.

    Args:
        task_id: id of the task that puts it.
        target: where to.
        required_accuracy: what the accuracy must exceed, if it is checked.
    """

    task_id: str
    target: S3CsvTarget | S3PointerTarget
    required_accuracy: float | None

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
    tasks = graph.tasks.values()
    required_accuracy = next((task.require_acc for task in tasks if isinstance(task, CheckAccuracyTask)), None)
    for task_id, task in reversed(graph.tasks.items()):
        if isinstance(task, (UploadS3Task, PublishBatchTask)):
            return Publication(task_id, task.output(), required_accuracy)
    return None
