"""Readers of CSV and Parquet files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pyarrow import types

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.s3 import is_s3
from gokart_pipeline_sample.io.tables.casts import cast, is_number, is_text
from gokart_pipeline_sample.io.tables.csv_text import BLOCK_BYTES, get_delimiter, open_csv
from gokart_pipeline_sample.io.tables.dialect import Dialect
from gokart_pipeline_sample.io.tables.table_files import TableFile

MISSING = ["", "NA", "NaN", "nan", "NULL", "null"]  # Cells of a CSV file without a value, unless they are quoted.
_MISSING_CELLS = {"null_values": MISSING, "strings_can_be_null": True, "quoted_strings_can_be_null": False}
_BATCH_ROWS = 131_072
_READ_BYTES = 64 * 1024


def infer_csv(file: TableFile, dialect: Dialect) -> pa.Table:
    """Read a whole CSV file with the types that pyarrow infers."""
    options = pacsv.ConvertOptions(decimal_point=dialect.decimal, **_MISSING_CELLS)
    with open_csv(file, dialect) as text:
        return pacsv.read_csv(text, parse_options=_parsing(file.path, dialect), convert_options=options)


def read_csv(file: TableFile, schema: pa.Schema, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, batch by batch, as text; numbers in their type if all in the batch can be read.

    A column that is missing or repeated, and a quote that is not as it must be, is a TableError.
    """
    parsing, as_text = _parsing(file.path, dialect), dict.fromkeys(schema.names, pa.string())
    options = pacsv.ConvertOptions(include_columns=schema.names, column_types=as_text, **_MISSING_CELLS)
    with open_csv(file, dialect) as text:
        header = io.StringIO(text.peek().decode(errors="replace"), newline="")
        # pyarrow passes blank lines over, too.
        names = next(filter(None, csv.reader(header, delimiter=parsing.delimiter)), [])
        _check_names(names, file.path, schema)
        for batch in pacsv.open_csv(text, pacsv.ReadOptions(block_size=BLOCK_BYTES), parsing, options):
            columns = [_read_numbers(batch[field.name], field.type, dialect.decimal) for field in schema]
            yield pa.record_batch(columns, schema.names)


def _parsing(path: str, dialect: Dialect) -> pacsv.ParseOptions:
    return pacsv.ParseOptions(delimiter=get_delimiter(path, dialect), newlines_in_values=True)


def _read_numbers(text: pa.Array, wanted: pa.DataType, decimal: str) -> pa.Array:
    try:
        return cast(text, wanted, decimal) if is_number(wanted) else text
    except pa.ArrowInvalid:
        return text


def read_parquet(
    file: TableFile, schema: pa.Schema, rows: range | None = None, footer: pq.FileMetaData | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, of the rows with the given numbers (all by default), batch by batch.

    A column that is missing or repeated, or has another type, is a TableError.
    """
    first = 0
    # Small reads keep no row group in memory; from S3, where each is a request, they are few and large.
    reads: dict[str, Any] = {} if is_s3(file.path) else {"pre_buffer": False, "buffer_size": _READ_BYTES}
    with file.open() as content, pq.ParquetFile(content, metadata=footer, **reads) as parquet:
        _check_names(parquet.schema_arrow.names, file.path, schema)
        for field in schema:
            found = parquet.schema_arrow.field(field.name).type
            if not _is_convertible(found, field.type):
                raise TableError(f"{file.path}: the column {field.name} is {found} instead of {field.type}")
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


def _check_names(found: list[str], path: str, schema: pa.Schema) -> None:
    """Raise a TableError unless a file has each column of a schema once."""
    if missing := [name for name in schema.names if name not in found]:
        raise TableError(f"{path}: columns are missing: {', '.join(missing)}")
    if repeated := [name for name in schema.names if found.count(name) > 1]:
        raise TableError(f"{path}: columns occur more than once: {', '.join(repeated)}")


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
