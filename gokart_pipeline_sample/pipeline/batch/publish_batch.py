"""Publish a scored table."""

from logging import getLogger
from typing import Any, cast

import luigi

from gokart_pipeline_sample.errors import ShiftError
from gokart_pipeline_sample.pipeline.batch.manifest import Manifest, S3ManifestTarget, S3PointerTarget, list_estimate
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import find_alarms
from gokart_pipeline_sample.pipeline.quality.data_warnings import shorten
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, ShareParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask

logger = getLogger(__name__)


class PublishBatchTask(PublisherTask[dict[str, Any]]):
    """Points ``<prefix>/latest.json``, which readers follow, to the manifest of a scored table."""

    score_task: TaskParameter[Manifest] = TaskParameter("Outputs the manifest, an object on S3.")
    checked_task: OptionalTaskParameter = OptionalTaskParameter(
        description="Task that checks the model, if that is not done yet."
    )
    require_acc: ShareParameter = borrow(CheckAccuracyTask, "require_acc")
    on_shift: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="warn",
        choices=["warn", "fail"],
        description="Whether new rows that are unlike the test rows, or an accuracy that is estimated as too low, fail "
        "the run before anything is published.",
    )

    def output(self) -> S3PointerTarget:
        """Return the pointer on S3."""
        manifest = cast("S3ManifestTarget", self.score_task.output())
        return manifest.make_pointer(self.make_unique_id())

    def run(self) -> None:
        """Put the pointer, or raise a ShiftError if there are alarms (:func:`find_alarms`) and they fail the run."""
        alarms = find_alarms(self.load(self.score_task)["shift"], self.require_acc)
        for alarm in alarms:
            logger.warning("%s", alarm)
        if alarms and self.on_shift == "fail":
            raise ShiftError(f"{shorten(alarms, '; ')} (see on_shift): nothing is published")
        self.dump({"manifest": self.output().manifest.key, "alarms": alarms})
        logger.info("put %s", self.output().path())

    def describe(self) -> Published:
        """Return the figures of the manifest, and the alarms."""
        manifest = self.load(self.score_task)
        shift = manifest["shift"]
        return Published(
            Figures(
                accuracy=manifest["model"]["accuracy"],
                rows=manifest["rows_published"],
                rejected=manifest["rows_rejected"],
                parts=len(manifest["parts"]),
                unseen={name: values["rows"] for name, values in manifest["unseen"].items()} or None,
                estimated=list_estimate(shift and shift["estimated_accuracy"]),
                alarms=self.output().load()["alarms"] or None,
                champion=manifest["champion"]["decision"] if manifest["champion"] else None,
            )
        )
