"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.csv_files import check_names, is_number

_BATCH_ROWS = 131_072


def read_parquet(
    content: BinaryIO, path: str, schema: pa.Schema, rows: range | None = None, footer: pq.FileMetaData | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, of the rows with the given numbers (all by default), batch by batch.

    Raises:
        TableError: a column is missing or repeated, or has another type.
    """
    first = 0
    with pq.ParquetFile(content, metadata=footer) as parquet:
        check_names(parquet.schema_arrow.names, path, schema)
        for field in schema:
            found = parquet.schema_arrow.field(field.name).type
            if not _is_convertible(found, field.type):
                raise TableError(f"{path}: the column {field.name} is {found} instead of {field.type}")
        wanted = range(parquet.metadata.num_rows) if rows is None else rows
        # One at a time: a reader of several row groups keeps the bytes of all that it has read.
        for group in range(parquet.num_row_groups):
            size = parquet.metadata.row_group(group).num_rows
            if first + size <= wanted.start:
                first += size
                continue
            for batch in parquet.iter_batches(_BATCH_ROWS, [group], schema.names, use_threads=False):
                yield batch[max(wanted.start - first, 0) : wanted.stop - first]
                first += len(batch)
                if first >= wanted.stop:
                    return


def _is_convertible(found: pa.DataType, wanted: pa.DataType) -> bool:
    if types.is_dictionary(found):
        found = found.value_type
    return bool(
        found.id == wanted.id
        or types.is_null(found)
        or (is_text(wanted) and is_text(found))
        or (types.is_integer(wanted) and types.is_integer(found))
        or (types.is_floating(wanted) and (is_number(found) or types.is_decimal(found)))
        or (types.is_timestamp(wanted) and types.is_date(found))
    )


def is_text(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of text."""
    return bool(types.is_unicode(arrow_type) or types.is_large_unicode(arrow_type) or types.is_string_view(arrow_type))
