"""From the cells of files to the types of a schema."""

import itertools
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

# Cells of a CSV file without a value, unless they are quoted; the last one is that of MySQL.
MISSING = ["", "NA", "NaN", "nan", "NULL", "null", r"\N"]
LISTED = b"listed"  # metadata of a field: which of these words its column lists as values, separated by commas
# Those of columns that are no text, also in quotes and between spaces.
NO_VALUE = [*MISSING, "N/A", "n/a", "#N/A", "None", "none", "-", "?"]


def to_frame(batches: list[pa.RecordBatch], schema: pa.Schema, decimal: str) -> pd.DataFrame:
    """Convert batches, as they were read, to a frame with the types of a schema; unreadable cells stay text."""
    frames = []
    # Batches differ: of CSV, where all numbers can be read or not, and of Parquet.
    for _, group in itertools.groupby(batches or [pa.RecordBatch.from_pylist([], schema)], attrgetter("schema")):
        table = pa.Table.from_batches(group)
        columns = {field.name: _to_series(table[field.name], field.type, decimal) for field in schema}
        # pandas copies a column that is changed, and must not copy all of them before.
        frames.append(pd.DataFrame(columns, copy=False))
    return pd.concat(frames, ignore_index=True)


def _to_series(column: pa.ChunkedArray, wanted: pa.DataType, decimal: str) -> Any:
    try:
        # Integers with nulls would become floats, which represent large integers inexactly.
        return cast(column, wanted, decimal).to_pandas(integer_object_nulls=True)
    except pa.ArrowInvalid:
        return pd.Series(read_cells(column, wanted, decimal), dtype=object)


def read_cells(column: pa.ChunkedArray, wanted: pa.DataType, decimal: str) -> list[object]:
    """Read the cells one by one if they cannot be read all at once; unreadable cells stay text."""
    try:
        return list(cast(column, wanted, decimal).to_pylist())
    except pa.ArrowInvalid:
        if len(column) == 1:
            return [str(column[0])]
        middle = len(column) // 2
        return read_cells(column[:middle], wanted, decimal) + read_cells(column[middle:], wanted, decimal)


def cast(column: Any, wanted: pa.DataType, decimal: str = ".") -> Any:
    """Convert an array, text as pyarrow reads CSV, times as UTC; raise an ArrowInvalid if a value cannot be.

    Whole floats become integers, because pandas makes floats of integers beside a gap, and integers the nearest floats.
    """
    found = column.type.value_type if types.is_dictionary(column.type) else column.type
    if types.is_string(found) and not is_text(wanted):
        trimmed = pc.ascii_trim(column, " \t")
        try:
            return _read(trimmed, wanted, decimal)
        except pa.ArrowInvalid:
            # Few columns have such cells, and looking for them takes time.
            return _read(pc.if_else(pc.is_in(trimmed, pa.array(NO_VALUE)), None, trimmed), wanted, decimal)
    if types.is_floating(found) and types.is_integer(wanted):
        return _to_integers(column, wanted)
    return column.cast(wanted, safe=not (types.is_integer(found) and types.is_floating(wanted)))


def _read(text: Any, wanted: pa.DataType, decimal: str) -> Any:
    if types.is_floating(wanted) and decimal != ".":
        text = pc.replace_substring(pc.replace_substring(text, ".", "thousands"), decimal, ".")
    if types.is_integer(wanted) and pc.any(pc.starts_with(text, "0x", ignore_case=True)).as_py():
        raise pa.ArrowInvalid("a hexadecimal number")
    try:
        return text.cast(wanted)
    except pa.ArrowInvalid:
        if types.is_timestamp(wanted):
            return _read_zoned(text, wanted)
        if not types.is_integer(wanted):
            raise
        is_float = pc.match_substring_regex(text, r"^[+-]?\d+\.0*$")
        integers, floats = pc.if_else(is_float, None, text), pc.if_else(is_float, text, None)
        return pc.coalesce(integers.cast(wanted), _to_integers(floats, wanted))


def _read_zoned(text: Any, wanted: pa.DataType) -> Any:
    """Convert times of which some have a zone as ISO 8601, PostgreSQL, BigQuery and Ruby write it."""
    plain = pc.replace_substring_regex(text, r" ?(?:UTC|GMT|Z)$| ([+-]\d\d:?\d\d)$", r"\1Z")
    plain = pc.replace_substring_regex(plain, r"([+-]\d\d:?\d\d)Z$", r"\1")
    is_zoned = pc.match_substring_regex(plain, r":\d\d(?:\.\d+)?(?:Z|[+-]\d\d(?::?\d\d)?)$")
    zoned = pc.if_else(is_zoned, plain, None).cast(pa.timestamp(wanted.unit, "UTC")).cast(wanted)
    return pc.coalesce(zoned, pc.if_else(is_zoned, None, plain).cast(wanted))


def _to_integers(column: Any, wanted: pa.DataType) -> Any:
    floats = column.cast(pa.float64())
    if pc.any(pc.greater_equal(pc.abs(floats), 2**53)).as_py():
        raise pa.ArrowInvalid("the float of several integers")
    return pc.if_else(pc.is_nan(floats), None, floats).cast(wanted)


def is_number(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of integers or floats."""
    return bool(types.is_integer(arrow_type) or types.is_floating(arrow_type))


def is_text(arrow_type: pa.DataType) -> bool:
    """Return whether an Arrow type is one of text."""
    return bool(types.is_unicode(arrow_type) or types.is_large_unicode(arrow_type) or types.is_string_view(arrow_type))


def to_text(batches: Iterable[pa.RecordBatch]) -> pd.DataFrame:
    """Return batches as text: cells that were read as text as they are, other values exactly, or missing."""
    frames = list[pd.DataFrame]()
    for batch in batches:
        # Arrow leaves out the decimal point of whole floats.
        told = [each if types.is_floating(each.type) else each.with_type(pa.string()) for each in batch.schema]
        frames.append(batch.cast(pa.schema(told)).to_pandas().astype("str"))
    return pd.concat(frames, ignore_index=True)
