"""What a run has published, in a few lines."""

from __future__ import annotations

from logging import getLogger

import luigi

from gokart_pipeline_sample.io.s3 import S3CsvTarget, S3Error
from gokart_pipeline_sample.io.s3_batch import S3PointerTarget
from gokart_pipeline_sample.pipeline.run import RunBatchTask, RunTask

logger = getLogger(__name__)


class PublicationReport:
    """Remembers what is planned to be published, and tells at the end of the run what was."""

    def __init__(self) -> None:
        self._planned: list[tuple[S3CsvTarget | S3PointerTarget, float]] = []
        for event in (luigi.Event.DEPENDENCY_PRESENT, luigi.Event.DEPENDENCY_DISCOVERED):
            for task_class in (RunTask, RunBatchTask):
                task_class.event_handler(event)(self.note)  # type: ignore[no-untyped-call]

    def note(self, task: RunTask | RunBatchTask, *_: object) -> None:
        """Note what a task publishes, when luigi plans it: only then does it see the whole command line."""
        self._planned.append((task.requires().output(), task.require_acc))

    def summarize(self, fetch: str) -> dict[str, str]:
        """Describe what was published last, if anything was.

        Args:
            fetch: command that leads to the object at ``{url}``.
        """
        if not self._planned:
            return {}
        target, require_acc = self._planned[-1]
        try:
            summary = target.describe()
        except S3Error as error:
            # It is published all the same.
            logger.warning("%s", error)
            summary = {}
        if "accuracy" in summary:
            summary["accuracy"] = f"{float(summary['accuracy']):.4f} (required: more than {require_acc})"
        return {**summary, "published": target.path(), "fetch": fetch.format(url=target.path())}
