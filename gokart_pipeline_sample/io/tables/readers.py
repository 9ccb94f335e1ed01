"""Readers of CSV and Parquet files."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from pyarrow import types

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.s3 import is_s3

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

MISSING = ["", "NA", "NaN", "nan", "NULL", "null"]  # Cells of a CSV file without a value, unless they are quoted.
_MISSING_CELLS = {"null_values": MISSING, "strings_can_be_null": True, "quoted_strings_can_be_null": False}
BLOCK_BYTES = 1024 * 1024
_BATCH_ROWS = 131_072
_READ_BYTES = 64 * 1024
_PARSING = pacsv.ParseOptions(newlines_in_values=True)
_COMPRESSION = {".csv": None, ".csv.gz": "gzip", ".csv.zst": "zstd"}


def infer_csv(content: BinaryIO, path: str) -> pa.Table:
    """Read a whole CSV file with the types that pyarrow infers."""
    options = pacsv.ConvertOptions(**_MISSING_CELLS)
    return pacsv.read_csv(_open_csv(content, path), parse_options=_PARSING, convert_options=options)


def read_csv(content: BinaryIO, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, batch by batch, as text; numbers in their type if all in the batch can be read.

    A column that is missing or repeated, and a quote that is not closed, is a TableError.
    """
    stream = _open_csv(content, path)
    header = io.StringIO(stream.peek().decode("utf-8-sig", errors="replace"), newline="")
    _check_names(next(csv.reader(header), []), path, schema)
    text = pa.schema([(name, pa.string()) for name in schema.names])
    options = pacsv.ConvertOptions(include_columns=schema.names, column_types=text, **_MISSING_CELLS)
    for batch in pacsv.open_csv(stream, pacsv.ReadOptions(block_size=BLOCK_BYTES), _PARSING, options):
        yield pa.record_batch([_read_numbers(batch[field.name], field.type) for field in schema], schema.names)


def _open_csv(content: BinaryIO, path: str) -> io.BufferedReader:
    ending = next((ending for ending in _COMPRESSION if path.lower().endswith(ending)), None)
    if ending is None:
        raise TableError(f"{path}: its format is told by its name: let that end in .parquet, .csv, .csv.gz or .csv.zst")
    compression = _COMPRESSION[ending]
    plain: Any = pa.CompressedInputStream(content, compression) if compression else content
    return io.BufferedReader(_CsvText(plain, path), BLOCK_BYTES)


def _read_numbers(text: pa.Array, wanted: pa.DataType) -> pa.Array:
    try:
        return cast(text, wanted) if is_number(wanted) else text
    except pa.ArrowInvalid:
        return text


def cast(column: Any, wanted: pa.DataType) -> Any:
    """Convert an array, text to numbers as pyarrow reads CSV; raise an ArrowInvalid if a value cannot be converted."""
    if not (types.is_string(column.type) and is_number(wanted)):
        return column.cast(wanted)
    trimmed = pc.ascii_trim(column, " \t")
    if types.is_integer(wanted) and pc.any(pc.starts_with(trimmed, "0x", ignore_case=True)).as_py():
        raise pa.ArrowInvalid("a hexadecimal number")
    return trimmed.cast(wanted)


class _CsvText(io.RawIOBase):
    """Passes a file through, adds a final newline, which pyarrow needs after a header, and checks quotes."""

    def __init__(self, file: BinaryIO, path: str) -> None:
        self._file, self._path = file, path
        self._quotes, self._is_at_end = 0, False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._file.read(len(view))
        if not content and self._quotes % 2:
            raise TableError(f"{self._path}: a quote is not closed: all text after it would be one cell")
        if not content and not self._is_at_end:
            content, self._is_at_end = b"\n", True
        view[: len(content)] = content
        # Looking for the first one takes a tenth of the time of counting none.
        self._quotes += content.count(b'"') if b'"' in content else 0
        return len(content)


def read_parquet(
    content: BinaryIO, path: str, schema: pa.Schema, rows: range | None = None, footer: pq.FileMetaData | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, of the rows with the given numbers (all by default), batch by batch.

    A column that is missing or repeated, or has another type, is a TableError.
    """
    first = 0
    # Small reads keep no row group in memory; from S3, where each is a request, they are few and large.
    reads: dict[str, Any] = {} if is_s3(path) else {"pre_buffer": False, "buffer_size": _READ_BYTES}
    with pq.ParquetFile(content, metadata=footer, **reads) as parquet:
        _check_names(parquet.schema_arrow.names, path, schema)
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


def is_number(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of integers or floats."""
    return bool(types.is_integer(arrow_type) or types.is_floating(arrow_type))


def is_text(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of text."""
    return bool(types.is_unicode(arrow_type) or types.is_large_unicode(arrow_type) or types.is_string_view(arrow_type))
