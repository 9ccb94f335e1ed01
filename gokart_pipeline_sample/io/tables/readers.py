"""Readers of CSV, Parquet and JSON files."""

import csv
import functools
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.json as pajson
import pyarrow.parquet as pq
from pyarrow import types

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.s3 import is_s3
from gokart_pipeline_sample.io.tables import csv_text
from gokart_pipeline_sample.io.tables.casts import LISTED, MISSING, cast, is_number, is_text
from gokart_pipeline_sample.io.tables.csv_text import BLOCK_BYTES, DEFAULT_DIALECT, Dialect, get_delimiter, open_csv
from gokart_pipeline_sample.io.tables.diagnosis import explain
from gokart_pipeline_sample.io.tables.table_files import TableFile

_NULLS = {"strings_can_be_null": True, "quoted_strings_can_be_null": False}
_BATCH_ROWS = 131_072
_READ_BYTES = 64 * 1024


def read_text(file: TableFile, dialect: Dialect) -> pa.Table:
    """Read a whole CSV or JSON file with all its columns as text."""
    if is_json(file):
        with csv_text.decode(file, dialect.encoding) as text:
            schema = pa.schema([(name, pa.string()) for name in _list_names(text)])
        return pa.Table.from_batches(read_json(file, schema, dialect), schema)
    with _opening(file, dialect) as (text, names, parsing):
        as_text = dict.fromkeys(names, pa.string())
        options = pacsv.ConvertOptions(column_types=as_text, null_values=MISSING, **_NULLS)
        return pacsv.read_csv(text, parse_options=parsing, convert_options=options)


def read_csv(file: TableFile, schema: pa.Schema, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, batch by batch, as text; numbers in their type if all in the batch can be read.

    A column that is missing or repeated, and a quote that is not as it must be, is a TableError.
    """
    with _opening(file, dialect) as (text, names, parsing):
        inside = _find_columns(names, file, schema, dialect) or pa.schema([(names[0], pa.string())])
        # A reader takes the same words as missing in all columns.
        words = {field.name: {*field.metadata[LISTED].decode().split(",")} for field in inside if field.metadata}
        listed = set[str]().union(*words.values())
        as_text, missing = dict.fromkeys(inside.names, pa.string()), [word for word in MISSING if word not in listed]
        options = pacsv.ConvertOptions(include_columns=[*as_text], column_types=as_text, null_values=missing, **_NULLS)
        for batch in pacsv.open_csv(text, pacsv.ReadOptions(block_size=BLOCK_BYTES), parsing, options):
            others = {name: listed - words.get(name, set()) for name in inside.names}
            columns = {field.name: _read(batch[field.name], field, others[field.name], dialect) for field in inside}
            yield _make_batch(columns, len(batch), file, schema)


@contextmanager
def _opening(file: TableFile, dialect: Dialect) -> Iterator[tuple[io.BufferedReader, list[str], pacsv.ParseOptions]]:
    """Open a CSV file; provide its text, the names of its columns, and how pyarrow parses it."""
    parsing = pacsv.ParseOptions(delimiter=get_delimiter(file.path, dialect), newlines_in_values=True)
    with open_csv(file, dialect) as text:
        header = io.StringIO(text.peek().decode(errors="replace"), newline="")
        # pyarrow passes blank lines over, too.
        yield text, next(filter(None, csv.reader(header, delimiter=parsing.delimiter)), []), parsing


def _read(text: pa.Array, field: pa.Field, missing: set[str], dialect: Dialect) -> pa.Array:
    if missing:
        text = pc.if_else(pc.is_in(text, pa.array([*missing])), None, text)
    try:
        return cast(text, field.type, dialect.decimal) if is_number(field.type) else text
    except pa.ArrowInvalid:
        return text


def is_json(file: TableFile) -> bool:
    """Return whether a file has a JSON object on each line."""
    return ".jsonl" in file.path.lower()[-10:]


def read_json(file: TableFile, schema: pa.Schema, dialect: Dialect) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, batch by batch, as :func:`read_csv` does; null is what a row lacks.

    A column that none of the first rows has, and one that a row has twice, is a TableError, or a ValueError.
    """
    with csv_text.decode(file, dialect.encoding) as text:
        inside = _find_columns(_list_names(text), file, schema, dialect)
        kept = {field.name for field in inside if is_number(field.type) or types.is_boolean(field.type)}
        typed = pa.schema([field if field.name in kept else (field.name, pa.string()) for field in inside])
        parsing = pajson.ParseOptions(typed, unexpected_field_behavior="ignore")
        for block in iter(lambda: text.read(BLOCK_BYTES) + text.readline(), b""):
            try:
                read = pajson.read_json(io.BytesIO(block), pajson.ReadOptions(block_size=len(block) + 1), parsing)
            except pa.ArrowInvalid:
                rows = _parse(block)
                read = pa.table({name: pa.array([row.get(name) for row in rows], pa.string()) for name in inside.names})
            for batch in read.combine_chunks().to_batches():
                yield _make_batch(dict(zip(inside.names, batch.columns, strict=True)), len(batch), file, schema)


def _list_names(text: io.BufferedReader) -> list[str]:
    """Return the keys of the first rows, without reading them."""
    lines = text.peek()
    return [*dict.fromkeys(name for row in _parse(lines[: lines.rfind(b"\n") + 1] or lines) for name in row)]


def _parse(lines: bytes) -> list[dict[str, str | None]]:
    """Return the objects of lines, with all values as text, numbers as they are written."""

    def join(pairs: list[tuple[str, Any]]) -> dict[str, str | None]:
        row = {name: value if isinstance(value, str | None) else json.dumps(value) for name, value in pairs}
        if len(row) < len(pairs):
            raise ValueError(f"a row has a key more than once: {[name for name, _ in pairs]}")
        return row

    load = functools.partial(json.loads, object_pairs_hook=join, parse_float=str, parse_int=str, parse_constant=str)
    rows = [load(line) for line in lines.splitlines() if line.strip()]
    if not all(isinstance(row, dict) for row in rows):
        raise ValueError("a line has no JSON object: write one on each line")
    return rows


def read_parquet(
    file: TableFile, schema: pa.Schema, rows: range | None = None, footer: pq.FileMetaData | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield the columns of a schema, of the rows with the given numbers (all by default), batch by batch.

    A column that is missing or repeated, or has another type, is a TableError.
    """
    first = 0
    # Small reads keep no row group in memory; from S3, where each is a request, they are few and large.
    reads: dict[str, Any] = {} if is_s3(file.path) else {"pre_buffer": False, "buffer_size": _READ_BYTES}
    # Spark's timestamps may be outside the range of nanoseconds.
    reads["coerce_int96_timestamp_unit"] = "us"
    with file.open() as content, pq.ParquetFile(content, metadata=footer, **reads) as parquet:
        inside = _find_columns(parquet.schema_arrow.names, file, schema, DEFAULT_DIALECT)
        for field in inside:
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
            for batch in parquet.iter_batches(_BATCH_ROWS, [group], inside.names, use_threads=False):
                part = batch[max(wanted.start - first, 0) : wanted.stop - first]
                columns = dict(zip(part.schema.names, part.columns, strict=True))
                for name in columns:
                    _check_text(columns[name], f"{file.path}: the column {name}")
                yield _make_batch(columns, len(part), file, schema)
                first += len(batch)
                if first >= wanted.stop:
                    return


def _check_text(column: pa.Array, name: str) -> None:
    text = column.dictionary if types.is_dictionary(column.type) else column
    data = np.frombuffer(text.buffers()[-1] or b"\0", np.uint8)
    try:
        # To see that all is ASCII takes a fiftieth of the time.
        if types.is_string_view(text.type) or (is_text(text.type) and data.max() >= 0x80):
            text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise TableError(f"{name} has text that is not UTF-8: write it in UTF-8") from error


def _find_columns(found: list[str], file: TableFile, schema: pa.Schema, dialect: Dialect) -> pa.Schema:
    """Return the fields of a schema that a file has, each once, and its path lacks; raise a TableError otherwise."""
    if missing := [name for name in schema.names if name not in found and name not in file.keys]:
        reason = explain(file, dialect, missing, found)
        raise TableError(f"{file.path}: columns are missing ({', '.join(missing)}){reason}")
    if repeated := [name for name in schema.names if found.count(name) > 1]:
        raise TableError(f"{file.path}: columns occur more than once: {', '.join(repeated)}")
    return pa.schema([field for field in schema if field.name in found])


def _make_batch(columns: dict[str, pa.Array], rows: int, file: TableFile, schema: pa.Schema) -> pa.RecordBatch:
    """Make a batch of columns as they were read, and of those that only the path has, whose decimal is a point."""
    for field in (field for field in schema if field.name not in columns):
        value = _read(pa.array([file.keys[field.name]], pa.string()), field, set(), DEFAULT_DIALECT)
        columns[field.name] = pa.repeat(value[0], rows)
    return pa.record_batch([columns[name] for name in schema.names], schema.names)


def _is_convertible(found: pa.DataType, wanted: pa.DataType) -> bool:
    found = found.value_type if types.is_dictionary(found) else found
    return bool(
        found.id == wanted.id
        or types.is_null(found)
        or (is_text(wanted) and is_text(found))
        or (types.is_integer(wanted) and is_number(found))
        or (types.is_floating(wanted) and (is_number(found) or types.is_decimal(found)))
        or (types.is_timestamp(wanted) and types.is_date(found))
    )
