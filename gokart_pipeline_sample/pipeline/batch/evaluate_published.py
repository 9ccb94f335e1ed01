"""Evaluate a published batch when its truth is known."""

import json
from typing import Any, TypedDict

import gokart
import luigi
import pandas as pd

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.batch.manifest import S3JsonTarget, get_intact_object, list_estimate, make_folder
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.drift.shift import EstimatedAccuracy
from gokart_pipeline_sample.pipeline.quality.metrics import Interval
from gokart_pipeline_sample.pipeline.quality.scores import make_interval
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Breaches, screen_rows
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.parameters import TableParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, S3DestinationTask
from gokart_pipeline_sample.utils.table_task import TABLE_PARAMETERS, TableTask
from gokart_pipeline_sample.utils.template import ViewTask


class Evaluation(TypedDict):
    """The accuracy of a batch, beside what was estimated when it was published."""

    rows: int  # published rows whose truth is known
    accuracy: float
    interval: Interval
    estimated_accuracy: EstimatedAccuracy | None


class JoinTruthTask(TableTask[Evaluation], PublisherTask[Evaluation], S3DestinationTask[Evaluation]):
    """Puts an :class:`Evaluation` document beside the manifest of a batch."""

    report_name = "evaluation.html"  # That of the batch is beside the manifest already.

    manifest: luigi.Parameter[str] = luigi.Parameter(description="Key of the manifest of the batch.")
    table: TableParameter = TableParameter(description="Path or URI of a table with the id and the target of rows.")

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
        self.dump(Evaluation(rows=rows, accuracy=accuracy, interval=interval, estimated_accuracy=estimated))

    def describe(self) -> Published:
        """Return the accuracy, and what it was estimated as."""
        evaluation = self.output().load()
        estimated = list_estimate(evaluation["estimated_accuracy"])
        return Published(Figures(accuracy=evaluation["accuracy"], rows=evaluation["rows"], estimated=estimated))

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


class EvaluatePublishedTask(ViewTask[Evaluation], TableTask[Evaluation]):
    """Compares a published batch with a table of its truth, when that is known."""

    bucket = borrow(UploadS3Task, "bucket")
    prefix = borrow(ScoreTableTask, "prefix")
    table, encoding, delimiter, decimal = (borrow(JoinTruthTask, name) for name in TABLE_PARAMETERS)
    manifest: luigi.Parameter[str] = luigi.Parameter(
        default="", description="Key of the manifest; the latest one by default."
    )

    def requires(self) -> gokart.TaskOnKart[Any]:
        """Wire the task to the batch that is meant now."""
        latest, advice = f"{make_folder(self.prefix)}latest.json", ("publish a batch first", "publish again")
        manifest = self.manifest or json.loads(get_intact_object(self.bucket, latest, *advice))["manifest"]
        return JoinTruthTask(**self.parameters_of(JoinTruthTask) | {"manifest": manifest})
