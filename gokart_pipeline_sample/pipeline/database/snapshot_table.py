"""Make a table of the rows of a query."""

from __future__ import annotations

import hashlib
import secrets
import shlex
from collections.abc import Iterable, Iterator
from logging import getLogger
from pathlib import Path
from typing import Any

import gokart
import luigi
import pyarrow as pa
from pyarrow import types

from gokart_pipeline_sample.errors import SettingError, TableError
from gokart_pipeline_sample.io.database import find_source, query
from gokart_pipeline_sample.io.file_formats import ParquetProcessor
from gokart_pipeline_sample.io.manifest import Part, S3ManifestTarget, S3PointerTarget
from gokart_pipeline_sample.io.s3 import is_s3, split_uri
from gokart_pipeline_sample.io.tables.casts import is_number, is_text
from gokart_pipeline_sample.utils.parameters import get_encryption
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask
from gokart_pipeline_sample.utils.source_parameter import SourceParameter

logger = getLogger(__name__)

PART_BYTES = 16 * 1024 * 1024  # of a part in memory; compressed, it is a fraction of them
_SLICE_ROWS = 65_536


class QueryParameter(luigi.Parameter[str]):
    """Path of a file with a query; a task's identity depends on its text only."""

    def serialize(self, x: str) -> str:
        """Return a hash of the text, or raise a SettingError."""
        return hashlib.sha256(read_query(x).encode()).hexdigest() if x else ""


class SnapshotTableTask(PublisherTask[dict[str, Any]]):
    """Puts the rows of a query on S3, in Parquet, and points ``<to>/latest.json``, which ``table`` takes, to them."""

    source: SourceParameter = SourceParameter(default="", description="Name of a Source in the configuration.")
    query_file = QueryParameter(default="", description="File with a SELECT, in which :as_of and others have values.")
    parameter: luigi.Parameter[str] = luigi.Parameter(default="", description="Values of names: region=EU since=2020.")
    as_of: luigi.DateParameter = luigi.DateParameter(description="Value of :as_of, a date, and name of the snapshot.")
    to: luigi.Parameter[str] = luigi.Parameter(description="Where to put it: s3://bucket/prefix.")
    allow_empty: luigi.BoolParameter = luigi.BoolParameter(significant=False, description="Whether no rows are right.")
    timeout_seconds: luigi.IntParameter = luigi.IntParameter(
        default=3600, significant=False, description="Seconds after which the statement is cancelled."
    )

    # A rerun leaves the pointer to its readers, until it replaces it.
    complete_check_at_run: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=False, significant=False, description="Whether nothing is done if the pointer is there at the start."
    )

    def output(self) -> S3PointerTarget:
        """Return the pointer on S3; raise a SettingError if it has no place there."""
        (bucket, prefix), unique_id = split_uri(self.to), self.make_unique_id()
        if not (is_s3(self.to) and prefix):
            raise SettingError(f"a snapshot cannot be put to {self.to!r}: give s3://bucket/prefix")
        return S3ManifestTarget(bucket, prefix, unique_id, get_encryption(), f"{self.as_of}").make_pointer(unique_id)

    def run(self) -> None:
        """Put the rows, their manifest and the pointer, in this order."""
        manifest = self.output().manifest
        if self.rerun or not manifest.exists():
            rows = self.read()
            # A reader that is one already keeps the types of its errors.
            reader = rows if isinstance(rows, pa.RecordBatchReader) else pa.RecordBatchReader.from_stream(rows)
            self.check_columns(reader.schema)
            manifest.dump({"parts": self.put_parts(reader, manifest), "source": self.source, "as_of": f"{self.as_of}"})
        self.dump({"manifest": manifest.key})
        logger.info("put %s", self.output().path())

    def read(self) -> Any:
        """Return the rows of the query; a subclass may return anything else that has an Arrow stream."""
        text = read_query(self.query_file)
        values: dict[str, Any] = dict(pair.partition("=")[::2] for pair in shlex.split(self.parameter))
        if ":as_of" in text:
            values["as_of"] = self.as_of
        return query(find_source(self.source), text, values, self.timeout_seconds)

    def put_parts(self, reader: pa.RecordBatchReader, manifest: S3ManifestTarget) -> list[Part]:
        """Put the rows as they come; raise a TableError if there are none, and none are not allowed."""
        # The parts of an earlier snapshot, which somebody may read, are not replaced.
        attempt, parts = secrets.token_hex(4), list[Part]()
        for number, table in enumerate(gather(reader, reader.schema)):
            if not (parts or len(table) or self.allow_empty):
                raise TableError(f"the query has no rows as of {self.as_of}: correct it, or set allow_empty")
            parts.append(manifest.put_part(f"part-{attempt}-{number:05d}.parquet", table, ParquetProcessor()))
        return parts

    def describe(self) -> Published:
        """Return the numbers of rows and parts."""
        parts = self.output().manifest.load()["parts"]
        return Published(Figures(rows=sum(part["rows"] for part in parts), parts=len(parts)))

    @staticmethod
    def check_columns(schema: pa.Schema) -> None:
        """Raise a TableError if columns have the same name, or a type that no table of the pipeline can have."""
        if twice := [name for name in schema.names if schema.names.count(name) > 1]:
            raise TableError(f"the query has the column {twice[0]} more than once: name each by AS")
        for field in schema:
            found = field.type.value_type if types.is_dictionary(field.type) else field.type
            if not any(is_right(found) for is_right in _TYPES):
                kind = getattr(found, "type_name", str(found))
                wanted = "double precision" if kind == "numeric" else "text"
                cast = f"CAST({field.name} AS {wanted}) AS {field.name}"
                raise TableError(f"the column {field.name} is {kind}, which no table can have: write {cast}")


_TYPES = (is_number, is_text, types.is_boolean, types.is_timestamp, types.is_date, types.is_decimal, types.is_null)


def read_query(path: str) -> str:
    """Return the text of a query, or raise a SettingError."""
    try:
        if Path(path).is_fifo():  # It may never end.
            raise OSError(f"{path} is no regular file")
        return Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"the query cannot be read ({error}): correct query_file") from None


def gather(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Yield the rows of batches in tables, at least one, that are large but for the last, and not too large."""
    pending, size = [], 0
    slices = (batch[start : start + _SLICE_ROWS] for batch in batches for start in range(0, len(batch), _SLICE_ROWS))
    for rows in slices:
        pending.append(rows)
        if (size := size + rows.nbytes) >= PART_BYTES:
            yield pa.Table.from_batches(pending)
            pending, size = [], 0
    yield pa.Table.from_batches(pending, schema)
