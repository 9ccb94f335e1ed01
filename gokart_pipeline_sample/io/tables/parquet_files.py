"""Parquet files."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.csv_files import check_names

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
            if wanted.start < first + size and first < wanted.stop:
                batches = parquet.iter_batches(_BATCH_ROWS, [group], schema.names, use_threads=False)
                yield from _select_rows(batches, range(wanted.start - first, wanted.stop - first))
            first += size


def _select_rows(batches: Iterator[pa.RecordBatch], rows: range) -> Iterator[pa.RecordBatch]:
    first = 0
    for batch in batches:
        selected = batch[max(rows.start - first, 0) : max(rows.stop - first, 0)]
        if len(selected):
            yield selected
        first += len(batch)
        if first >= rows.stop:
            return


def _is_convertible(found: pa.DataType, wanted: pa.DataType) -> bool:
    if types.is_dictionary(found):
        found = found.value_type
    if is_text(wanted):
        convertible = is_text(found)
    elif types.is_floating(wanted):
        convertible = types.is_floating(found) or types.is_integer(found) or types.is_decimal(found)
    elif types.is_integer(wanted):
        convertible = types.is_integer(found)
    elif types.is_timestamp(wanted):
        convertible = types.is_timestamp(found) or types.is_date(found)
    else:
        convertible = found.id == wanted.id
    return bool(convertible or types.is_null(found))


def is_text(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of text."""
    return bool(types.is_unicode(arrow_type) or types.is_large_unicode(arrow_type) or types.is_string_view(arrow_type))
