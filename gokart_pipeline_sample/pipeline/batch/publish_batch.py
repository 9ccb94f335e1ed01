"""Publish a scored table."""

from logging import getLogger
from statistics import median
from typing import Any, cast

import luigi

from gokart_pipeline_sample.errors import AlarmError
from gokart_pipeline_sample.io.manifest import S3ManifestTarget, S3PointerTarget
from gokart_pipeline_sample.pipeline.batch.manifest import Manifest
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.estimate import ESTIMATOR
from gokart_pipeline_sample.pipeline.drift.make_reference import get_estimate
from gokart_pipeline_sample.pipeline.quality.find_warnings import shorten
from gokart_pipeline_sample.pipeline.quality.requirements import RequirementsParameter, find_failures, join_requirements
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, ShareParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask

logger = getLogger(__name__)


class PublishBatchTask(PublisherTask[dict[str, Any]]):
    """Points ``<prefix>/latest.json``, which readers follow, to the manifest of a scored table."""

    score_task: TaskParameter[Manifest] = TaskParameter("Outputs the manifest, an object on S3.")
    checked_task: OptionalTaskParameter = OptionalTaskParameter(description="Checks the model, if it is new.")
    require_acc: ShareParameter = borrow(CheckAccuracyTask, "require_acc")
    require: RequirementsParameter = borrow(CheckAccuracyTask, "require")
    on_shift: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="warn", choices=["warn", "fail"], description="Whether alarms fail the run before it publishes."
    )

    def output(self) -> S3PointerTarget:
        """Return the pointer on S3."""
        return cast("S3ManifestTarget", self.score_task.output()).make_pointer(self.make_unique_id())

    def run(self) -> None:
        """Put the pointer, or raise an AlarmError if alarms (compare_rows, find_alarms) fail the run."""
        manifest = self.load(self.score_task)
        batches = self.output().count_rows(manifest["rows_published"])
        share, alarms = compare_rows(manifest["rows_published"], [*batches.values()][:-1])
        alarms += find_alarms(manifest, join_requirements(self.require_acc, self.require))
        for alarm in alarms:
            logger.warning("%s", alarm)
        if alarms and self.on_shift == "fail":
            raise AlarmError(f"{shorten(alarms, '; ')} (see on_shift): nothing is published")
        self.dump({"manifest": self.output().manifest.key, "alarms": alarms, "share": share, "batches": batches})
        logger.info("put %s", self.output().path())

    def describe(self) -> Published:
        """Return the figures of the manifest, and the alarms."""
        manifest, pointer = self.load(self.score_task), self.output().load()
        model = manifest["model"]
        return Published(
            Figures(
                accuracy=model.get("accuracy"),
                mae=model.get("mae"),
                decision=model.get("decision"),
                rows=manifest["rows_published"],
                share=pointer["share"],
                rejected=manifest["rows_rejected"],
                parts=len(manifest["parts"]),
                unseen={name: values["rows"] for name, values in manifest["unseen"].items()} or None,
                estimated=get_estimate(manifest["shift"]),
                alarms=pointer["alarms"],
                champion=manifest["champion"]["decision"] if manifest["champion"] else None,
            )
        )


def find_alarms(manifest: Manifest, required: str) -> list[str]:
    """Return a sentence if the estimated figure is worse than required, and for each column that has shifted.

    A requirement relative to the baseline takes that of the test rows.
    """
    if (shift := manifest["shift"]) is None or not (estimate := get_estimate(shift)):
        return []
    (value, *bounds), figure = estimate, ESTIMATOR.figure
    failures = find_failures({**manifest["model"], figure: value}, required, {figure: bounds})
    alarms = [f"{name}: {alarm}" for name, column in shift["columns"].items() for alarm in column["alarms"]]
    return [*(f"estimated: {failure}" for failure in failures), *alarms]


def compare_rows(rows: int, earlier: list[int]) -> tuple[float, list[str]]:
    """Return the share of rows to the median of earlier batches with any, and a sentence if it is not from 0.5 to 2."""
    share = round(rows / median([count for count in earlier if count] or [rows or 1]), 2)
    return share, [] if 0.5 <= share <= 2 else [f"rows: {rows} are published, {share} times the usual number"]
