"""Rows that break a schema: find them, separate them from the valid ones, and describe them in words."""

from __future__ import annotations

import reprlib
from collections.abc import Collection, Hashable
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from pandas.api.types import is_object_dtype
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema

SHOWN_IDS = 5
LONGEST_CHECK = 100
# pandera's name for the check that values are unique.
UNIQUENESS = "field_uniqueness"

Schema = type[BaseSchema]


def separate_rows(
    schema: Schema, data: pd.DataFrame, duplicates: Collection[object] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Separate valid rows from invalid ones.

    Args:
        schema: the schema of the rows.
        data: rows with a unique index. A column with a value that could not be read as its type has dtype ``object``
            and holds that value as text.
        duplicates: ids that occur more than once in the table, each listed once; preferably an index.

    Returns:
        The valid rows, with the types of the schema, and a frame of the checks that the other rows break: ``row`` (from
        the index of ``data``), ``column`` and ``check``.

    Raises:
        pandera.errors.SchemaErrors: the table as a whole is invalid; a column is missing, for instance.
    """
    readable, breaches = screen_rows(schema, data, duplicates)
    try:
        schema.validate(readable, lazy=True, inplace=True)
    except SchemaErrors as error:
        breaches = pd.concat([breaches, get_breaches(error)])
    breaches = breaches.drop_duplicates().sort_values(["row", "column", "check"])
    return _drop(readable, breaches["row"]), breaches


def screen_rows(
    schema: Schema, data: pd.DataFrame, duplicates: Collection[object] = ()
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Find unreadable values and duplicate ids; pandera finds all other breaches.

    Args:
        schema: see :func:`separate_rows`.
        data: see :func:`separate_rows`.
        duplicates: see :func:`separate_rows`.

    Returns:
        The rows whose values could be read, with the types of the schema, and a frame of breaches as in
        :func:`separate_rows`.
    """
    readable, unreadable = _read(schema, data)
    breaches = [unreadable]
    if len(duplicates):
        # Not isin, which would hash an index of duplicates again for each chunk of a table.
        known = duplicates if isinstance(duplicates, pd.Index) else pd.Index(list(duplicates))
        repeated = data.index[known.get_indexer(pd.Index(data[schema.id_column()])) >= 0]
        breaches.append(_make_breaches(repeated, schema.id_column(), UNIQUENESS))
    return readable, _concat(breaches)


def readable_ids(schema: Schema, data: pd.DataFrame) -> pd.Series[Any]:
    """Return the readable ids of a frame as in :func:`separate_rows`; it needs no other column."""
    return _read(schema, data[[schema.id_column()]])[0][schema.id_column()].dropna()


def get_breaches(error: SchemaErrors) -> pd.DataFrame:
    """Return the checks that rows break, in the format of :func:`separate_rows`.

    Raises:
        pandera.errors.SchemaErrors: the given error, if it is not about rows.
    """
    cases: pd.DataFrame = error.failure_cases
    if cases["index"].isna().any():
        raise error
    breaches = cases[["index", "column", "check"]].set_axis(["row", "column", "check"], axis="columns")
    return breaches.assign(check=breaches["check"].map(shorten_check))


def shorten_check(check: str) -> str:
    """Shorten the name of a check, which may list thousands of values."""
    return check if len(check) <= LONGEST_CHECK else f"{check[: LONGEST_CHECK - 1]}…"


@dataclass
class Breaches:
    """Counts the rows that break a schema, by column and check, and keeps their first ids.

    Args:
        id_column: name of the column of the ids.
        counts: number of rows, by column and check.
        ids: the first ids, by column and check.
        values: the first values that an ``isin`` does not list, by column and check.
    """

    id_column: str
    counts: dict[tuple[Any, ...], int] = field(default_factory=dict)
    ids: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)
    values: dict[tuple[Any, ...], dict[Any, None]] = field(default_factory=dict)

    def add(self, breaches: pd.DataFrame, data: pd.DataFrame) -> None:
        """Count more rows.

        Args:
            breaches: ``row`` (from the index of ``data``), ``column`` and ``check``.
            data: the rows.
        """
        if breaches.empty:
            return
        for breach, group in breaches.groupby(["column", "check"], sort=False):
            self.counts[breach] = self.counts.get(breach, 0) + len(group)
            known = self.ids.setdefault(breach, [])
            known += data.loc[group["row"][: SHOWN_IDS - len(known)], self.id_column].tolist()
            column, check = breach
            if str(check).startswith("isin(") and column in data:
                seen = self.values.setdefault(breach, {})
                seen |= dict.fromkeys(data[column].loc[group["row"]].unique()[:SHOWN_IDS].tolist())

    def merge(self, later: Breaches) -> None:
        """Count the rows of a later chunk, too."""
        for breach, count in later.counts.items():
            self.counts[breach] = self.counts.get(breach, 0) + count
            known = self.ids.setdefault(breach, [])
            known += later.ids[breach][: SHOWN_IDS - len(known)]
            if breach in later.values:
                self.values.setdefault(breach, {}).update(later.values[breach])

    def __str__(self) -> str:
        """Describe each breach."""
        return "; ".join(
            describe_breach(column, check, count, self.id_column, self.ids[column, check])
            + (f" and the values {reprlib.repr(list(seen))}" if (seen := self.values.get((column, check))) else "")
            for (column, check), count in self.counts.items()
        )


def describe_breach(column: str, check: str, rows: int, id_column: str, ids: list[Any]) -> str:
    """Describe a breach: the column, the check, the number of rows and the first ids."""
    return f"{column} breaks {check} in {rows} rows, the first of them with {id_column} {reprlib.repr(ids)}"


def _read(schema: Schema, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Drop the rows with values that do not have their column's type, or with nulls if the type allows none."""
    dtypes = {name: dtype for name, dtype in schema.dtypes().items() if name in data}
    breaches = [_make_breaches(pd.Index([]), "", "")]
    found = data.dtypes.to_dict()
    untyped = {name: dtype for name, dtype in dtypes.items() if is_object_dtype(found[name])}
    # pyarrow gives an integer or boolean column without nulls numpy's type. All others are for the schema to reject.
    masked = {name: dtype for name, dtype in dtypes.items() if _is_masked(dtype) and found[name].kind == dtype.kind}
    for name, dtype in untyped.items():
        is_text = data[name].map(lambda value: isinstance(value, str))
        breaches.append(_make_breaches(data.index[is_text], name, f"dtype('{dtype}')"))
        if dtype.kind in "biu" and not _is_masked(dtype):
            breaches.append(_make_breaches(data.index[data[name].isna()], name, "not_nullable"))
    unreadable = _concat(breaches)
    readable = _drop(data, unreadable["row"])
    # Even if there is nothing to convert, the frame is another one, so that pandas copies a column that is changed.
    return readable.astype(untyped | masked) if untyped or masked else readable.copy(deep=False), unreadable


def _is_masked(dtype: Any) -> bool:
    return isinstance(dtype, pd.api.extensions.ExtensionDtype) and dtype.kind in "biu"


def _drop(data: pd.DataFrame, rows: pd.Series[Any]) -> pd.DataFrame:
    # pandas would copy the whole frame even if there is nothing to drop.
    return data if rows.empty else data.drop(index=list(rows), errors="ignore")


def _concat(breaches: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(breaches) if len(breaches) > 1 else breaches[0]


def _make_breaches(rows: pd.Index[Any], column: Hashable, check: str) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "column": column, "check": check})
