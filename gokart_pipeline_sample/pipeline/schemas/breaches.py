"""Rows that break a schema, in words."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

SHOWN_IDS = 5


class BadRowsError(Exception):
    """A table has rows that break its schema; the message counts them by column and check, and gives the first ids."""


@dataclass
class Breaches:
    """Counts the rows that break a schema, by column and check, with the first ids.

    Args:
        id_column: name of the column of the ids.
        counts: rows, by column and check.
        ids: the first ids, by column and check.
    """

    id_column: str
    counts: dict[tuple[Any, ...], int] = field(default_factory=dict)
    ids: dict[tuple[Any, ...], list[Any]] = field(default_factory=dict)

    def add(self, breaches: pd.DataFrame, data: pd.DataFrame) -> None:
        """Count further rows.

        Args:
            breaches: ``row`` (of the index of ``data``), ``column`` and ``check``.
            data: the rows.
        """
        for breach, group in breaches.groupby(["column", "check"], sort=False):
            self.counts[breach] = self.counts.get(breach, 0) + len(group)
            known = self.ids.setdefault(breach, [])
            known += data.loc[group["row"][: SHOWN_IDS - len(known)], self.id_column].tolist()

    def __str__(self) -> str:
        """Describe each breach."""
        return "; ".join(
            describe_breach(column, check, count, self.id_column, self.ids[column, check])
            for (column, check), count in self.counts.items()
        )


def describe_breach(column: str, check: str, rows: int, id_column: str, ids: list[Any]) -> str:
    """Name a column with the check that it breaks, the number of rows and the first of their ids."""
    return f"{column} breaks {check} in {rows} rows, the first of them with {id_column} {reprlib.repr(ids)}"
