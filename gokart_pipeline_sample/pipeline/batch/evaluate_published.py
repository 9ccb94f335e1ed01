"""Evaluate a published batch when its truth is known."""

import json
import math
from logging import getLogger
from typing import TypedDict

import luigi
import pandas as pd

from gokart_pipeline_sample.errors import AlarmError, TableError
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.batch.manifest import S3JsonTarget, get_intact_object, list_estimate, make_folder
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.shift import EstimatedAccuracy
from gokart_pipeline_sample.pipeline.quality.metrics import Interval
from gokart_pipeline_sample.pipeline.quality.scores import make_interval
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Breaches, screen_rows
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.utils.parameters import ENCRYPTION, ShareParameter, TableParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, S3DestinationTask
from gokart_pipeline_sample.utils.table_task import TABLE_PARAMETERS, TableTask
from gokart_pipeline_sample.utils.template import ViewTask

logger = getLogger(__name__)


class Evaluation(TypedDict):
    """The accuracy of a batch, beside what was estimated when it was published."""

    rows: int  # published rows whose truth is known
    accuracy: float
    interval: Interval
    estimated_accuracy: EstimatedAccuracy | None
    alarms: list[str]  # see find_alarms


class JoinTruthTask(TableTask[Evaluation], PublisherTask[Evaluation], S3DestinationTask[Evaluation]):
    """Puts an :class:`Evaluation` document beside the manifest of a batch."""

    report_name = "evaluation.html"  # That of the batch is beside the manifest already.

    manifest: luigi.Parameter[str] = luigi.Parameter(description="Key of the manifest of the batch.")
    bucket, server_side_encryption, kms_key_id = (borrow(ScoreTableTask, name) for name in ("bucket", *ENCRYPTION))
    table: TableParameter = TableParameter(description="Path or URI of a table with the id and the target of rows.")
    require_acc: ShareParameter = borrow(CheckAccuracyTask, "require_acc")

    def output(self) -> S3JsonTarget:
        """Return the object on S3."""
        key = f"{self.manifest.rpartition('/')[0]}/evaluation.json"
        return S3JsonTarget(self.bucket, key, self.make_unique_id(), self.encryption())

    def run(self) -> None:
        """Evaluate the batch and put the document."""
        advice = "give the key of a manifest, or publish the batch again"
        manifest = json.loads(get_intact_object(self.bucket, self.manifest, advice, advice))
        learned = FeatureSchema.arrow_schema([FeatureSchema.id_column(), FeatureSchema.target_column()])
        output = OutputSchema.arrow_schema([OutputSchema.id_column(), OutputSchema.target_column()])
        truth = self.open_table().read(learned)
        classes = set(FeatureSchema.target_classes())
        if unknown := sorted(set(truth[FeatureSchema.target_column()].dropna()) - classes, key=str):
            raise TableError(f"{self.table}: the target has values that are no class, the first of them {unknown[:5]}")
        parts = (open_table(f"s3://{self.bucket}/{part['key']}").read(output) for part in manifest["parts"])
        rows, right = map(sum, zip(*(self.count_right(part, truth) for part in parts), strict=True))
        if not rows:
            unreadable = Breaches(FeatureSchema.id_column())
            unreadable.add(screen_rows(FeatureSchema, truth[[FeatureSchema.id_column()]])[1], truth)
            problem = f"{unreadable}, and no other row" if unreadable.counts else "no row"
            raise TableError(f"{self.table}: {problem} of {self.manifest} is in it: give the truth of that batch")
        accuracy, shift = right / rows, manifest["shift"]
        interval, estimated = make_interval(accuracy, rows), shift and shift["estimated_accuracy"]
        found = Evaluation(rows=rows, accuracy=accuracy, interval=interval, estimated_accuracy=estimated, alarms=[])
        found["alarms"] = find_alarms(found, rows / manifest["rows_published"], self.require_acc)
        for alarm in found["alarms"]:
            logger.warning("%s", alarm)
        self.dump(found)

    def describe(self) -> Published:
        """Return the accuracy, what it was estimated as, and the alarms."""
        evaluation = self.output().load()
        figures = Figures(accuracy=evaluation["accuracy"], rows=evaluation["rows"], alarms=evaluation["alarms"])
        return Published({**figures, "estimated": list_estimate(evaluation["estimated_accuracy"])})

    @staticmethod
    def count_right(published: pd.DataFrame, truth: pd.DataFrame) -> tuple[int, int]:
        """Return the number of published rows whose truth is known, and how many of them are predicted rightly.

        A target that is not known yet is missing from the truth; raise a TableError if an id occurs twice in it.
        """
        known = truth.dropna().set_index(FeatureSchema.id_column())[FeatureSchema.target_column()]
        if not known.index.is_unique:
            twice = known.index[known.index.duplicated()][:5].tolist()
            raise TableError(f"the truth has ids that occur more than once, the first of them {twice}")
        found = published[published[OutputSchema.id_column()].isin(known.index)]
        right = found[OutputSchema.target_column()].to_numpy() == known.loc[found[OutputSchema.id_column()]].to_numpy()
        return len(found), int(right.sum())


def find_alarms(evaluation: Evaluation, known: float, require_acc: float) -> list[str]:
    """Return a sentence if a batch is less accurate than the gate requires, and one if the estimate was wrong.

    The gate judges the upper bound for the whole batch, of which a share of rows is known; it is the accuracy itself if
    all are (finite population correction: Cochran, Sampling Techniques, 1977). The estimate was wrong if the intervals
    of both do not meet: one in twenty accuracies is outside that of the estimate by chance.
    """
    accuracy, estimated = evaluation["accuracy"], evaluation["estimated_accuracy"]
    low, high = evaluation["interval"]["low"], evaluation["interval"]["high"]
    text, alarms = f"the accuracy is {accuracy:.4f} (95% interval {low:.4f} to {high:.4f})", []
    if accuracy + (high - accuracy) * math.sqrt(1 - known) <= require_acc:
        alarms.append(f"{text}, more than {require_acc} is required")
    if estimated and (high < estimated["low"] or low > estimated["high"]):
        alarms.append("{}, it was estimated as {accuracy:.4f} ({low:.4f} to {high:.4f})".format(text, **estimated))
    return alarms


class EvaluatePublishedTask(ViewTask[Evaluation], TableTask[Evaluation]):
    """Compares a published batch with a table of its truth, when that is known."""

    bucket = borrow(JoinTruthTask, "bucket")
    prefix = borrow(ScoreTableTask, "prefix")
    table, encoding, delimiter, decimal = (borrow(JoinTruthTask, name) for name in TABLE_PARAMETERS)
    manifest: luigi.Parameter[str] = luigi.Parameter(default="", description="Key of the manifest, or else the last.")
    require_acc = borrow(JoinTruthTask, "require_acc")
    on_alarm: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="warn", choices=["warn", "fail"], description="Whether alarms about the accuracy fail the run."
    )

    def requires(self) -> JoinTruthTask:
        """Wire the task to the batch that is meant now."""
        latest, advice = f"{make_folder(self.prefix)}latest.json", ("publish a batch first", "publish again")
        manifest = self.manifest or json.loads(get_intact_object(self.bucket, latest, *advice))["manifest"]
        return JoinTruthTask(**self.parameters_of(JoinTruthTask) | {"manifest": manifest})

    def complete(self) -> bool:
        """Return whether the batch is evaluated, and no alarm fails the run."""
        return super().complete() and (self.on_alarm == "warn" or not self.requires().describe().figures["alarms"])

    def run(self) -> None:
        """Raise an AlarmError if alarms fail the run: each time, and after the evaluation was put."""
        if not self.complete():
            raise AlarmError(f"{'; '.join(self.requires().describe().figures['alarms'] or [])} (see on_alarm)")
