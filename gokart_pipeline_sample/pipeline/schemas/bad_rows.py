"""Rows that break a schema: find them, separate them from the valid ones, and describe them in words."""

from __future__ import annotations

import contextlib
import re
import reprlib
import tomllib
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
from pandas.api.types import is_object_dtype, pandas_dtype
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema

SHOWN_IDS = 5
LONGEST_CHECK = 100  # its name may list thousands of values
_OBSTACLES = tomllib.loads(Path(__file__).with_name("obstacles.toml").read_text("utf-8"))

Schema = type[BaseSchema]
Preprocess = Callable[[pd.DataFrame], Any]  # makes all features of rows
# Valid rows, with the types of the schema, and a frame of the checks that other rows break: ``row`` (from the index of
# the data), ``column`` and ``check``.
Separated = tuple[pd.DataFrame, pd.DataFrame]


def separate_rows(schema: Schema, data: pd.DataFrame, duplicates: Collection[object] = ()) -> Separated:
    """Separate valid rows, which have a unique index, from invalid ones.

    A column with a value that could not be read as its type has dtype ``object`` and holds that value as text. The
    duplicates, preferably an index, are the ids that occur more than once in the table, each listed once. A table that
    is invalid as a whole, because a column is missing, for instance, is a SchemaErrors.
    """
    readable, breaches = screen_rows(schema, data, duplicates)
    try:
        schema.validate(readable, lazy=True, inplace=True)
    except SchemaErrors as error:
        breaches = pd.concat([breaches, get_breaches(error)])
    breaches = breaches.drop_duplicates().sort_values(["row", "column", "check"])
    return drop_rows(readable, breaches), breaches


def preprocess_valid(
    schema: Schema, data: pd.DataFrame, duplicates: Collection[object], preprocess: Preprocess
) -> tuple[Any, pd.DataFrame]:
    """Separate the rows that can be predicted as :func:`separate_rows` does, and preprocess them."""
    readable, breaches = screen_rows(schema, data, duplicates)
    if breaches.empty:
        # Most chunks have no bad rows. If the checks of preprocess() find some, separate_rows() identifies them.
        with contextlib.suppress(SchemaErrors):
            return preprocess(readable), breaches
    good, breaches = separate_rows(schema, data, duplicates)
    try:
        return preprocess(good), breaches
    except SchemaErrors as error:
        # The input values are valid, but the features derived from them are not.
        made, name = get_breaches(error), schema.id_column()
        made["row"] = pd.Series(good.index, good[name]).loc[error.data.loc[made["row"], name]].array
        return preprocess(drop_rows(good, made)), pd.concat([breaches, made])


def screen_rows(schema: Schema, data: pd.DataFrame, duplicates: Collection[object] = ()) -> Separated:
    """Find unreadable values and duplicate ids as :func:`separate_rows` does, and leave the rest to pandera."""
    readable, breaches = _read(schema, data)
    if len(duplicates):
        # Not isin, which would hash an index of duplicates again for each chunk of a table.
        known = duplicates if isinstance(duplicates, pd.Index) else pd.Index(list(duplicates))
        repeated = data.index[known.get_indexer(pd.Index(data[schema.id_column()])) >= 0]
        breaches = pd.concat([breaches, _make_breaches(repeated, schema.id_column(), "field_uniqueness")])
    return readable, breaches


def readable_ids(schema: Schema, data: pd.DataFrame) -> pd.Series[Any]:
    """Return the readable ids of a frame as in :func:`separate_rows`; it needs no other column."""
    return _read(schema, data[[schema.id_column()]])[0][schema.id_column()].dropna()


def drop_rows(data: pd.DataFrame, breaches: pd.DataFrame) -> pd.DataFrame:
    """Return the rows without breaches; pandas would copy the whole frame even if there is nothing to drop."""
    return data if breaches.empty else data.drop(index=list(breaches["row"]), errors="ignore")


def get_breaches(error: SchemaErrors) -> pd.DataFrame:
    """Return the checks that rows break as :func:`separate_rows` does, or raise the error if it is not about rows."""
    cases: pd.DataFrame = error.failure_cases
    if cases["index"].isna().any():
        raise error
    return cases[["index", "column", "check"]].set_axis(["row", "column", "check"], axis="columns")


@dataclass
class Breaches:
    """Counts the rows that break a schema, by column and check, and keeps their first ids and values.

    Text that breaks a check is kept only if that is an isin: other text may be personal.
    """

    id_column: str
    counts: Counter[tuple[Any, ...]] = field(default_factory=Counter)
    ids: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    values: dict[tuple[Any, ...], dict[Any, None]] = field(default_factory=dict)
    rows: int = 0  # of the table
    bad_rows: int = 0

    def add(self, breaches: pd.DataFrame, data: pd.DataFrame) -> Breaches:
        """Count breaches of the rows of a frame, and return all; see :func:`separate_rows`."""
        self.rows += len(data)
        self.bad_rows += breaches["row"].nunique()
        for breach, group in breaches.groupby(["column", "check"], sort=False):
            column, check = breach
            ids = data.loc[group["row"][:SHOWN_IDS], self.id_column].tolist()
            is_shown = column in data and (str(check).startswith("isin(") or data[column].dtype != "str")
            values = data[column].loc[group["row"]].dropna().unique()[:SHOWN_IDS].tolist() if is_shown else []
            found = Counter({breach: len(group)}), {breach: ids}, {breach: dict.fromkeys(values)}
            self.merge(Breaches(self.id_column, *found))
        return self

    def merge(self, later: Breaches) -> None:
        """Count the rows of a later chunk, too."""
        self.rows += later.rows
        self.bad_rows += later.bad_rows
        self.counts += later.counts
        for breach in later.counts:
            self.ids[breach] = [*self.ids.get(breach, []), *later.ids[breach]][:SHOWN_IDS]
            self.values[breach] = self.values.get(breach, {}) | later.values[breach]

    def __str__(self) -> str:
        return "; ".join(map(self._describe, self.counts))

    def _describe(self, breach: tuple[Any, ...]) -> str:
        column, check = breach
        values = list(self.values[breach])
        # Ids are shown already.
        shown = f" and the values {reprlib.repr(values)}" if values and column != self.id_column else ""
        described = describe_breach(column, check, self.counts[breach], self.id_column, self.ids[breach])
        return f"{described}{shown}{find_obstacles(check, values)}"


def describe_breach(column: str, check: str, rows: int, id_column: str, ids: list[Any]) -> str:
    """Describe a breach: the column, the check, the number of rows and the first ids."""
    shown = check if len(check) <= LONGEST_CHECK else f"{check[: LONGEST_CHECK - 1]}…"
    return f"{column} breaks {shown} in {rows} rows, the first of them with {id_column} {reprlib.repr(ids)}"


def find_obstacles(check: str, values: list[Any]) -> str:
    """Return why text does not have the type that a check demands, as far as it tells; nothing for other checks."""
    wanted = re.fullmatch(r"dtype\('(.*)'\)", check)
    kind, text = pandas_dtype(wanted[1]).kind if wanted else " ", "\n".join(map(str, values))
    found = [name for name, (kinds, pattern) in _OBSTACLES.items() if kind in kinds and re.search(pattern, text, re.M)]
    return f" ({' or '.join(found)})" if found else ""


def _read(schema: Schema, data: pd.DataFrame) -> Separated:
    """Drop the rows with values that do not have their column's type, or with nulls if the type allows none."""
    breaches, casts, dtypes = [_make_breaches(pd.Index([]), "", "")], {}, schema.empty().dtypes
    for name, found in data.dtypes.items():
        dtype = dtypes.get(name, found)
        is_masked = isinstance(dtype, pd.api.extensions.ExtensionDtype) and dtype.kind in "biu"
        # pyarrow gives an integer or boolean column without nulls numpy's type.
        if is_object_dtype(found) or (is_masked and found.kind == dtype.kind):
            casts[name] = dtype
        if is_object_dtype(found) and not is_object_dtype(dtype):
            is_text = data[name].map(lambda value: isinstance(value, str))
            breaches.append(_make_breaches(data.index[is_text], name, f"dtype('{dtype}')"))
            if dtype.kind in "biu" and not is_masked:
                breaches.append(_make_breaches(data.index[data[name].isna()], name, "not_nullable"))
    unreadable = pd.concat(breaches) if len(breaches) > 1 else breaches[0]
    readable = drop_rows(data, unreadable)
    return readable.astype(casts) if casts else readable.copy(deep=False), unreadable


def _make_breaches(rows: pd.Index[Any], column: Hashable, check: str) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "column": column, "check": check})
