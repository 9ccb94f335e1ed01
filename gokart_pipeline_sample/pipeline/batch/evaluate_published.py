"""Evaluate a published batch when its truth is known."""

import json
import math
from logging import getLogger
from typing import Any, cast

import luigi
import numpy as np
import pandas as pd

from gokart_pipeline_sample.errors import AlarmError, TableError
from gokart_pipeline_sample.io.manifest import S3JsonTarget, find_latest
from gokart_pipeline_sample.io.s3 import get_intact_object
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import get_estimate
from gokart_pipeline_sample.pipeline.model.model_input import encode_target
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.quality.requirements import RequirementsParameter, find_failures, join_requirements
from gokart_pipeline_sample.pipeline.quality.scores import Codes
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Breaches, screen_rows
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.utils.parameters import ENCRYPTION, ShareParameter, TableParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, S3DestinationTask
from gokart_pipeline_sample.utils.table_task import TABLE_PARAMETERS, TableTask
from gokart_pipeline_sample.utils.template import ViewTask

logger = getLogger(__name__)


class JoinTruthTask(TableTask[dict[str, Any]], PublisherTask[dict[str, Any]], S3DestinationTask[dict[str, Any]]):
    """Puts a document beside the manifest of a batch: what its truth tells, and what was estimated before."""

    report_name = "evaluation.html"  # That of the batch is beside the manifest already.

    manifest: luigi.Parameter[str] = luigi.Parameter(description="Key of the manifest of the batch.")
    bucket, server_side_encryption, kms_key_id = (borrow(ScoreTableTask, name) for name in ("bucket", *ENCRYPTION))
    table: TableParameter = TableParameter(description="Path or URI of a table with the id and the target of rows.")
    require_acc: ShareParameter = borrow(CheckAccuracyTask, "require_acc")
    require: RequirementsParameter = borrow(CheckAccuracyTask, "require")

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
        values = set(truth[FeatureSchema.target_column()].dropna()) if FeatureSchema.target_classes() else set()
        if unknown := sorted(values - set(FeatureSchema.target_classes()), key=str):
            raise TableError(f"{self.table}: the target has values that are no class, the first of them {unknown[:5]}")
        parts = (open_table(f"s3://{self.bucket}/{part['key']}").read(output) for part in manifest["parts"])
        codes = [np.concatenate(each) for each in zip(*(self.join(part, truth) for part in parts), strict=True)]
        if not (rows := len(codes[0])):
            unreadable = Breaches(FeatureSchema.id_column())
            unreadable.add(screen_rows(FeatureSchema, truth[[FeatureSchema.id_column()]])[1], truth)
            problem = f"{unreadable}, and no other row" if unreadable.counts else "no row"
            raise TableError(f"{self.table}: {problem} of {self.manifest} is in it: give the truth of that batch")
        figures = QUALITY.score_labels(codes[0], codes[1], manifest.get("model"))
        estimated = get_estimate(manifest["shift"])
        required = join_requirements(self.require_acc, self.require)
        alarms = find_alarms(figures, estimated, rows / manifest["rows_published"], required)
        for alarm in alarms:
            logger.warning("%s", alarm)
        found = {"rows": rows, QUALITY.figure: figures[QUALITY.figure][0], "figures": figures, "estimated": estimated}
        self.dump({**found, "alarms": alarms})

    def describe(self) -> Published:
        """Return the accuracy, what it was estimated as, and the alarms."""
        evaluation = self.output().load()
        names = ("accuracy", "mae", "rows", "estimated", "alarms")
        return Published(cast("Figures", {name: evaluation.get(name) for name in names}))

    @staticmethod
    def join(published: pd.DataFrame, truth: pd.DataFrame) -> tuple[Codes, Codes]:
        """Return the truth and the prediction of each published row whose truth is known; classes as their numbers.

        A target that is not known yet is missing from the truth; raise a TableError if an id occurs twice in it.
        """
        known = truth.dropna().set_index(FeatureSchema.id_column())
        if not known.index.is_unique:
            twice = known.index[known.index.duplicated()][:5].tolist()
            raise TableError(f"the truth has ids that occur more than once, the first of them {twice}")
        found = published[published[OutputSchema.id_column()].isin(known.index)]
        rows = known.loc[found[OutputSchema.id_column()]]
        return encode_target(FeatureSchema, rows).to_numpy(), encode_target(OutputSchema, found).to_numpy()


def find_alarms(
    figures: dict[str, list[float]], estimated: list[float] | None, known: float, required: str
) -> list[str]:
    """Return a sentence for each figure that is worse than the gate requires, and one if the estimate was wrong.

    The gate judges the better bound for the whole batch, of which a share of rows is known; it is the figure itself if
    all are (finite population correction: Cochran, Sampling Techniques, 1977). The estimate was wrong if the intervals
    of both do not meet: one in twenty accuracies is outside that of the estimate by chance.
    """
    values, rest = {name: value for name, (value, _, _) in figures.items()}, math.sqrt(1 - known)
    bounds = {name: [value + (bound - value) * rest for bound in ends] for name, (value, *ends) in figures.items()}
    alarms, (value, low, high) = find_failures(values, required, bounds), figures[QUALITY.figure]
    if estimated and (high < estimated[1] or low > estimated[2]):
        text = f"the {QUALITY.figure} is {value:.4g} (95% interval {low:.4g} to {high:.4g}), it was estimated as "
        alarms.append(text + "{:.4g} ({:.4g} to {:.4g})".format(*estimated))
    return alarms


class EvaluatePublishedTask(ViewTask[dict[str, Any]], TableTask[dict[str, Any]]):
    """Compares a published batch with a table of its truth, when that is known."""

    bucket = borrow(JoinTruthTask, "bucket")
    prefix = borrow(ScoreTableTask, "prefix")
    table, encoding, delimiter, decimal = (borrow(JoinTruthTask, name) for name in TABLE_PARAMETERS)
    manifest: luigi.Parameter[str] = luigi.Parameter(default="", description="Key of the manifest, or else the last.")
    require_acc = borrow(JoinTruthTask, "require_acc")
    require = borrow(JoinTruthTask, "require")
    on_alarm: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="warn", choices=["warn", "fail"], description="Whether alarms about the accuracy fail the run."
    )

    def requires(self) -> JoinTruthTask:
        """Wire the task to the batch that is meant now."""
        manifest = self.manifest or find_latest(self.bucket, self.prefix)
        return JoinTruthTask(**self.parameters_of(JoinTruthTask) | {"manifest": manifest})

    def complete(self) -> bool:
        """Return whether the batch is evaluated, and no alarm fails the run."""
        return super().complete() and (self.on_alarm == "warn" or not self.requires().describe().figures["alarms"])

    def run(self) -> None:
        """Raise an AlarmError if alarms fail the run: each time, and after the evaluation was put."""
        if not self.complete():
            raise AlarmError(f"{'; '.join(self.requires().describe().figures['alarms'] or [])} (see on_alarm)")
