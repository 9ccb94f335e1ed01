"""Deliver a published batch to a table of a database."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import luigi
import pyarrow as pa
from pyarrow import types

from gokart_pipeline_sample.io import s3
from gokart_pipeline_sample.io.database import find_source
from gokart_pipeline_sample.io.database_table import DatabaseTable
from gokart_pipeline_sample.io.manifest import S3ManifestTarget, find_latest
from gokart_pipeline_sample.io.tables.casts import cast, is_text
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.io.targets import S3Target
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, borrow
from gokart_pipeline_sample.utils.progress import showing_progress
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask
from gokart_pipeline_sample.utils.source_parameter import SourceParameter

BATCH, SCORED_AT = "batch", "scored_at"
_WIDEST = ((types.is_integer, pa.int64()), (types.is_floating, pa.float64()), (is_text, pa.string()))


class DeliveredBatchTarget(S3Target):
    """What is published, a manifest or the pointer to it; it exists only if a table has all rows of the batch, too."""

    def __init__(self, bucket: str, published: S3Target, manifest: S3ManifestTarget, table: DatabaseTable) -> None:
        super().__init__(bucket, published.key, "", s3.BUCKET_ENCRYPTION)
        self.published, self.manifest, self.table = published, manifest, table
        self.batch = manifest.key.split("/")[-2]  # its id, the unique id of the task that has scored it

    def put_beside(self, name: str, content: bytes, content_type: str) -> None:
        """Put another object beside the manifest."""
        self.published.put_beside(name, content, content_type)

    def _exists(self) -> bool:
        return self.published.exists() and self.table.count_rows(BATCH, self.batch) == self._load()["rows_published"]

    def _load(self) -> Any:
        return self.manifest.load()

    def _dump(self, obj: Iterable[pa.Table], *_: object, **__: object) -> None:
        self.table.replace_rows(BATCH, self.batch, obj)


class DeliverBatchTask(PublisherTask[Any]):
    """Writes the published batch into a table of a database: each of its rows once, however often it runs."""

    source: SourceParameter = SourceParameter(description="Database, see [gokart_pipeline_sample.Source.…].")
    into: luigi.Parameter[str] = luigi.Parameter(description="TABLE or SCHEMA.TABLE, made if need be.")
    publish_task: OptionalTaskParameter = OptionalTaskParameter(description="Publishes the batch in the same run.")
    bucket, prefix = borrow(ScoreTableTask, "bucket"), borrow(ScoreTableTask, "prefix")
    manifest: luigi.Parameter[str] = luigi.Parameter("", description="Key or URI of a manifest, or else the last.")
    timeout_seconds: luigi.IntParameter = luigi.IntParameter(3600, significant=False, description="Seconds, at most.")

    def output(self) -> DeliveredBatchTarget:
        """Return the batch; that which was published last must be there."""
        table = DatabaseTable(find_source(self.source), self.into, self.timeout_seconds)
        if self.publish_task:
            pointer = self.publish_task.output()
            return DeliveredBatchTarget(self.bucket, pointer, pointer.manifest, table)
        key = self.manifest or find_latest(self.bucket, self.prefix)
        bucket, key = s3.split_uri(key if s3.is_s3(key) else f"s3://{self.bucket}/{key}")
        prefix, _, batch = key.removesuffix("/manifest.json").rpartition("/")
        manifest = S3ManifestTarget(bucket, prefix, batch, s3.BUCKET_ENCRYPTION)
        manifest.if_missing = "give the key of a manifest, or publish the batch again"
        return DeliveredBatchTarget(bucket, manifest, manifest, table)

    def run(self) -> None:
        """Write the rows in one transaction."""
        batch = self.output()
        rows = batch.load()["rows_published"]
        # The same at each delivery.
        scored_at = batch.manifest.last_modification_time().astimezone(UTC)
        self.dump(read_parts(batch.manifest.path(), rows, batch.batch, scored_at))

    def describe(self) -> Published:
        """Return what is published, and where its rows are, too."""
        rows = self.output().load()["rows_published"]
        published = self.publish_task.describe() if self.publish_task else Published(Figures(rows=rows), "")
        figures: Figures = {**published.figures, "delivered": f"{rows} rows to {self.source}:{self.into}"}
        return Published(figures, f"{published.verdict} and delivered".removeprefix(" and "))


def read_parts(uri: str, count: int, batch: str, scored_at: datetime) -> Iterator[pa.Table]:
    """Yield the rows of each part of a manifest, with two columns more; raise an S3Error if one was replaced."""
    with showing_progress("delivered", count, "rows") as bar:
        for typed, text in Table(uri).read_files():
            rows = pa.table({name: cast_column(name, column) for name, column in (typed | text).items()})
            for name, value in ((BATCH, batch), (SCORED_AT, scored_at)):
                rows = rows.append_column(name, pa.repeat(value, len(rows)))
            yield rows
            bar.update(len(rows))


def cast_column(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Convert a published column to the widest type of its kind, the same in any format."""
    # Those that no schema names are probabilities, bounds, and reasons.
    found = pa.string() if name.startswith("reason_") else pa.float64()
    for schema in (PreprocessedSchema, OutputSchema):
        if name in schema.to_schema().columns:
            (found,) = schema.arrow_schema([name]).types
    return cast(column, next((wide for is_kind, wide in _WIDEST if is_kind(found)), found))
