"""Infer the types of the columns of a table that is adopted: text is read as the reader of CSV files reads it."""

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from gokart_pipeline_sample.io.tables.casts import NO_VALUE, read_cells
from gokart_pipeline_sample.io.tables.csv_text import DEFAULT_DIALECT, Dialect, decode
from gokart_pipeline_sample.io.tables.diagnosis import explain, guess_encoding
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.io.tables.table_files import TableFile
from pipeline_runner.errors import UsageError

FEW = 0.05  # The largest share of cells that are named instead of making text of a column.
_TYPES, _FORMS = tomllib.loads(Path(__file__).with_name("types.toml").read_text("utf-8")).values()
_TEXT = "large_string"


class Column(NamedTuple):
    """A column to adopt, with remarks for a person; one that is left out has no type, and a remark that says why."""

    name: str
    role: str
    annotation: str = ""
    type: pa.DataType | None = None
    has_gaps: bool = False
    remarks: tuple[str, ...] = ()


def read_columns(table: Table, roles: dict[str, str]) -> list[Column]:
    """Find the types of all columns of a table, those of some given roles; a UsageError tells why one has not."""
    files = list(table.read_files())
    names = list(dict.fromkeys(name for typed, cells in files for name in (*typed, *cells)))
    for name in roles.keys() - names:
        near = difflib.get_close_matches(name.casefold(), [each.casefold() for each in names])
        likely = [each for each in names if each.casefold() in near] or names
        advice = explain(table.files[0], table.dialect) or f": give --{roles[name]} one of {', '.join(likely[:20])}"
        raise UsageError(f"the table has no column {name}{advice}")
    columns = []
    for name in names:
        typed, cells = ([columns[name] for columns in each if name in columns] for each in zip(*files, strict=True))
        columns.append(_make_column(name, roles.get(name, "feature"), typed, cells, table.dialect.decimal))
    return columns


def _make_column(name: str, role: str, typed: list[Any], cells: list[Any], decimal: str) -> Column:
    if role == "feature" and name in ("", "Unnamed: 0", "__index_level_0__"):
        reason = "pandas names the numbers of rows so; rename it in the file if it tells more of a row"
        return Column(name, role, remarks=(reason,))
    kinds = [str(each.type.value_type if types.is_dictionary(each.type) else each.type) for each in typed]
    gaps, remarks = sum(pc.sum(pc.is_null(each, nan_is_null=True)).as_py() or 0 for each in typed), list[str]()
    if cells:
        chunks = [chunk for each in cells for chunk in each.chunks]
        kind, missing, remarks = infer(pa.chunked_array(chunks), role, decimal)
        kinds, gaps = [*kinds, kind], gaps + missing
    # Of integers and floats, floats; the reader names a file whose column has a type that does not fit.
    places = [next((n for n, each in enumerate(_TYPES) if re.fullmatch(each["arrow"], kind)), -1) for kind in kinds]
    found, shown = _TYPES[max(places)], " and ".join(sorted({*kinds}))
    if role == "feature" and min(places) < 0:
        return Column(name, role, remarks=(f"its type is {shown}",))
    if role not in found["roles"] or min(places) < 0:
        allowed = " or ".join(each["annotations"][0] for each in _TYPES if role in each["roles"])
        raise UsageError(f"the {role} {name} is {shown}: make it {allowed}")
    if role != "feature" and gaps:
        raise UsageError(f"the column {name} is missing in {gaps} rows: remove them, or give --{role} another one")
    wanted = pa.type_for_alias(found["read_as"])
    return Column(name, role, found["annotations"][gaps > 0], wanted, gaps > 0, tuple(remarks))


def guess_dialect(files: Sequence[TableFile]) -> Dialect:
    """Return the dialect of the first CSV file, which a person is shown; the default one if there is none."""
    for file in files:
        if not file.path.lower().endswith(".parquet"):
            with decode(file, DEFAULT_DIALECT.encoding) as content:
                text = content.read()
            header = text.partition(b"\n")[0]
            delimiter = max(",;\t|", key=lambda each: header.count(each.encode()))
            # A group of three digits after a comma may be thousands.
            commas = re.findall(rb'[\t;|"][+-]?\d+,(?:\d\d?|\d{4,})(?=[\t;|"\r\n])', text)
            points = re.findall(rb'[\t;|,"][+-]?\d+\.\d+(?=[\t;|,"\r\n])', text)
            return Dialect(guess_encoding(text), delimiter, "," if len(commas) > len(points) else ".")
    return DEFAULT_DIALECT


def infer(text: pa.ChunkedArray, role: str, decimal: str) -> tuple[str, int, list[str]]:
    """Return the first type that reads all cells, or all but a few of a feature, the number of gaps, and remarks."""
    counted = pc.value_counts(text.drop_null())
    words, counts = pc.ascii_trim(counted.field(0), " \t"), counted.field(1).to_numpy()
    is_blank = np.asarray(pc.is_in(words, pa.array(NO_VALUE)), dtype=bool)
    blank, counts = counts * is_blank, counts * ~is_blank
    remarks, best = _name("Read as missing: {}.", words, blank), (_TEXT, text.null_count, list[str]())
    if not counts.any():
        return "null", len(text), remarks
    if pc.any(pc.match_substring_regex(words, r"^[+-]?0\d+([.,]\d*)?$")).as_py():
        return _TEXT, text.null_count, ["Text, because numbers keep no leading zeros."]
    fewest = 1 + (int(counts.sum() * FEW) if role == "feature" else 0)
    for kind in _TYPES[:-1]:
        is_likely = pc.match_substring_regex(words, kind["cells"].format(re.escape(decimal)))
        likely = pa.chunked_array([pc.if_else(is_likely, words, None)])
        values = read_cells(likely, pa.type_for_alias(kind["read_as"]), decimal)
        unread = counts * np.array([value is None or isinstance(value, str) for value in values])
        if unread.sum() < fewest and role in kind["roles"]:
            remedy = "correct these cells, leave out their rows (on_bad_row=drop), or write Series[str]"
            named = _name(f"Unreadable: {{}}: {remedy}.", words, unread)
            best, fewest = (kind["read_as"], int(text.null_count + blank.sum()), remarks + named), unread.sum()
    kind, missing, remarks = best
    for form in _FORMS:
        is_so = np.asarray(pc.match_substring_regex(words, f"^({form['cells']})$"), dtype=bool)
        if (role, kind) == ("feature", form["read_as"]) and (counts * is_so).sum() >= (1 - FEW) * counts.sum():
            return kind, missing, [*remarks, f"They look like {form['rule']}: read them so in preprocess, if they are."]
    return best


def _name(remark: str, words: pa.Array, counts: Any) -> list[str]:
    """Return a remark that names the three most frequent of some cells, or none if there are no such cells."""
    most = [place for place in np.argsort(-counts, kind="stable")[:4].tolist() if counts[place]]
    shown = [f"{words[place].as_py()[:30]!r} ({counts[place]:,})" for place in most[:3]] + ["…"] * (len(most) > 3)
    return [remark.format(", ".join(shown))] if most else []
