"""The types that a column may have.

| annotation | may be nullable | what the model sees | column of a Parquet file |
|---|---|---|---|
| ``Series[float]`` | yes | itself | floats, integers, decimals |
| ``Series[int]`` | no | itself | integers |
| ``Series[pd.Int64Dtype]`` | yes | a float | integers |
| ``Series[bool]`` | no | itself | booleans |
| ``Series[pd.BooleanDtype]`` | yes | a float | booleans |
| ``Series[pd.Timestamp]`` | yes | days since 1970-01-01 | timestamps, converted to UTC, and dates |
| ``Series[str]`` | yes | a category | text |

Narrower integers and floats, such as ``np.float32``, are allowed, too. An id is an ``int`` or ``str``; a target is an
``int``, ``str`` or ``bool`` with an ``isin``.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa

# By the beginning of pandera's name of a type.
_INSTEAD = {
    "Decimal": "float",
    "Float": "float",
    "category": "str",
    "date": "pd.Timestamp",
    "float": "float",
    "string": "str",
    "timedelta": "float, for instance of seconds",
}
_ANY = "float, int, bool, str or pd.Timestamp"
# By numpy's kind of a type.
_ID_TYPES = {"i": "int", "str": "str"}
_ROLES = {"id": _ID_TYPES, "target": {**_ID_TYPES, "b": "bool"}}


def find_isin(column: pa.Column) -> list[Any]:
    """Return the values that a column's ``isin`` lists, sorted; none if it has no ``isin``."""
    return sorted(
        {value for check in column.checks if check.name == "isin" for value in check.statistics["allowed_values"]}
    )


def find_problem(name: str, column: pa.Column) -> str | None:
    """Return why a column cannot be used and what to write instead, or None if it can."""
    role = (column.metadata or {}).get("role", "feature")
    shown = f"the {role} {name} is {'nullable ' if column.nullable else ''}{column.dtype}"
    if role == "feature":
        instead = _replace_feature(column)
        return f"{shown}: use {instead}" if instead else None
    if column.nullable or _get_kind(column) not in _ROLES[role]:
        return f"{shown}: use {', '.join(_ROLES[role].values())}, not nullable"
    if role == "target" and not find_isin(column):
        return f"the target {name} needs an isin, which lists the classes"
    return None


def is_text(column: pa.Column) -> bool:
    """Return whether a column has the text type of pandas."""
    return _get_kind(column) == "str"


def _get_kind(column: pa.Column) -> str:
    """Return "str", numpy's kind of the type, or "" if pandas can mask its values."""
    dtype = getattr(column.dtype, "type", np.dtype(object))
    if isinstance(dtype, pd.api.extensions.ExtensionDtype):
        return "str" if str(dtype) == "str" else ""
    return str(dtype.kind)


def _replace_feature(column: pa.Column) -> str | None:
    """Return the type to use instead of that of a feature, or None if it can be used."""
    kind, name = _get_kind(column), str(column.dtype)
    if column.nullable and kind in ("i", "u", "b"):
        return "pd.BooleanDtype" if kind == "b" else "pd.Int64Dtype"
    if kind in ("str", "i", "u", "b") or re.fullmatch(r"U?Int\d+|boolean|float(32|64)|datetime64\[ns\]", name):
        return None
    return next((instead for start, instead in _INSTEAD.items() if name.startswith(start)), _ANY)
