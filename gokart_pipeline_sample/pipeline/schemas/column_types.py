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

Narrower integers and floats, such as ``np.float32``, are allowed, too. An id or a group is an ``int`` or ``str``; a
target is a class, which is an ``int``, ``str`` or ``bool`` with an ``isin``, or a number, which is a ``float``, or an
``int`` without one. A column that is kept may have any type of a feature.
"""

import re
import tomllib
from pathlib import Path
from typing import Any

import pandera.pandas as pa

_TYPES, _INSTEAD = tomllib.loads(Path(__file__).with_name("column_types.toml").read_text("utf-8")).values()


def find_isin(column: pa.Column) -> list[Any]:
    """Return the values that a column's ``isin`` lists, sorted; none if it has no ``isin``."""
    listed = (check.statistics["allowed_values"] for check in column.checks if check.name == "isin")
    return sorted(set[Any]().union(*listed))


def find_problem(name: str, column: pa.Column) -> str | None:
    """Return why a column cannot be used and what to write instead, or None if it can."""
    role, nullable = (column.metadata or {}).get("role", "feature"), "nullable " if column.nullable else ""
    if role not in _TYPES:
        return f"the column {name} has the role {role!r}: the roles are {', '.join(_TYPES)}"
    if not re.fullmatch(_TYPES[role], nullable + name_type(column)):
        shown, advice = f"{nullable}{column.dtype}", _INSTEAD.get(role, _INSTEAD["feature"])
        instead = next(words for part, words in advice.items() if re.search(part, shown))
        return f"the {role} {name} is {shown}: use {instead}"
    if role == "target" and name_type(column) in ("str", "bool") and not find_isin(column):
        return f"the target {name} needs an isin, which lists the classes"
    if role == "target" and name_type(column).startswith("float") and find_isin(column):
        return f"the target {name} is a float, which is no class: remove its isin, or make it an int or str"
    return None


def name_type(column: pa.Column) -> str:
    """Return numpy's or pandas's name of a column's type; "str" is text."""
    return str(getattr(column.dtype, "type", ""))
