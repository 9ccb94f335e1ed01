"""CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO

import pyarrow as pa
import pyarrow.csv as pacsv

from gokart_pipeline_sample.errors import TableError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Cells of a CSV file without a value, unless they are quoted.
MISSING = ["", "NA", "NaN", "nan", "NULL", "null"]
BLOCK_BYTES = 1024 * 1024
_PARSING = pacsv.ParseOptions(newlines_in_values=True)
_HEXADECIMAL = re.compile(rb"0[xX]")
_CSV_COMPRESSION = {".csv": None, ".csv.gz": "gzip", ".csv.zst": "zstd"}


def infer_csv(content: BinaryIO, path: str) -> pa.Table:
    """Read a whole CSV file with the types that pyarrow infers."""
    text = _open_csv(content, path)
    table = pacsv.read_csv(io.BufferedReader(text), parse_options=_PARSING, convert_options=_convert_options())
    text.check_quotes(path)
    return table


def _convert_options(**options: Any) -> pacsv.ConvertOptions:
    return pacsv.ConvertOptions(
        null_values=MISSING, strings_can_be_null=True, quoted_strings_can_be_null=False, **options
    )


def _open_csv(content: BinaryIO, path: str, has_integers: bool = False) -> _CsvText:
    ending = next((ending for ending in _CSV_COMPRESSION if path.lower().endswith(ending)), None)
    if ending is None:
        raise TableError(f"{path}: its format is told by its name: let that end in .parquet, .csv, .csv.gz or .csv.zst")
    compression = _CSV_COMPRESSION[ending]
    plain: Any = content if compression is None else pa.CompressedInputStream(content, compression)
    return _CsvText(plain, has_integers)


def read_csv(content: BinaryIO, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, batch by batch: numbers in their type, and everything else as text.

    Numbers are text, too, from the first batch on that has one which cannot be read: reading all numbers as text, so
    that no file is read twice, would take 1.5 times as long.

    Raises:
        TableError: a column is missing or repeated, or a quote is not closed.
    """
    text = pa.schema([(name, pa.string()) for name in schema.names])
    fields = [field if is_number(field.type) else text.field(field.name) for field in schema]
    # Kept to the end: a compressed stream closes the content when it goes.
    first = _open_csv(content, path, any(pa.types.is_integer(field.type) for field in schema))
    rows = 0
    try:
        for batch in _read_batches(first, path, pa.schema(fields)):
            yield batch
            rows += len(batch)
        return
    except pa.ArrowInvalid:
        content.seek(0)
    for batch in _read_batches(_open_csv(content, path), path, text):
        if rows < len(batch):
            yield batch[rows:]
        rows = max(rows - len(batch), 0)


def _read_batches(text: _CsvText, path: str, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    # Closed before the content is read again: pyarrow reads ahead in a thread of its own.
    with io.BufferedReader(text, BLOCK_BYTES) as stream:
        header = io.StringIO(stream.peek().decode("utf-8-sig", errors="replace"), newline="")
        check_names(next(csv.reader(header), []), path, schema)
        options = _convert_options(include_columns=schema.names, column_types=schema)
        yield from pacsv.open_csv(stream, pacsv.ReadOptions(block_size=BLOCK_BYTES), _PARSING, options)
    text.check_quotes(path)


def is_number(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of integers or floats."""
    return bool(pa.types.is_integer(arrow_type) or pa.types.is_floating(arrow_type))


class _CsvText(io.RawIOBase):
    """Passes a file through, adds a missing final newline, which pyarrow needs after a header, and counts quotes.

    Raises:
        pyarrow.ArrowInvalid: the file may have a hexadecimal number, which pyarrow would read as an integer.
    """

    def __init__(self, file: BinaryIO, has_integers: bool) -> None:
        self._file = file
        self._has_integers = has_integers
        self._last = b"\n"
        self._quotes = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._file.read(len(view))
        if not content and self._last != b"\n":
            content = b"\n"
        if self._has_integers and (b"x" in content or b"X" in content) and _HEXADECIMAL.search(self._last + content):
            raise pa.ArrowInvalid("a hexadecimal number")
        view[: len(content)] = content
        self._last = content[-1:] or self._last
        # Looking for the first one takes a tenth of the time of counting none.
        self._quotes += content.count(b'"') if b'"' in content else 0
        return len(content)

    def check_quotes(self, path: str) -> None:
        if self._quotes % 2:
            raise TableError(f"{path}: a quote is not closed: all text after it would be one cell")


def check_names(found: list[str], path: str, schema: pa.Schema) -> None:
    """Raise a TableError unless a file has each column of a schema once."""
    for names, problem in (
        ([name for name in schema.names if name not in found], "columns are missing"),
        ([name for name in schema.names if found.count(name) > 1], "columns occur more than once"),
    ):
        if names:
            raise TableError(f"{path}: {problem}: {', '.join(names)}")
