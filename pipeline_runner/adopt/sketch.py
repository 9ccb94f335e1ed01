"""The text of a schema for a table, and of rows to test it on."""

import keyword
import re
import textwrap
from collections import Counter
from collections.abc import Hashable, Mapping

import pandas as pd

from gokart_pipeline_sample.pipeline.quality.find_warnings import MOST_CATEGORIES, decides_target
from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from pipeline_runner.adopt.infer_types import Column

TELLING = "Each of its {:,} values has one target: training rows give test rows away. Leave it out, or make it GROUP."
# Names that the module of a schema needs for something else.
_USED = {"BaseSchema", "GROUP", "ID", "KEEP", "Series", "TARGET", "bool", "float", "int", "pa", "pd", "str"}


def sketch(columns: list[Column], data: pd.DataFrame, bad_rows: Mapping[Hashable, int]) -> dict[str, str]:
    """Return the fields of a schema, with comments on what was seen and on bad rows, and the entries of three rows.

    These have the least values, the greatest, and gaps; ids and open text, which may tell of a person, are made up.
    """
    fields, rows, taken = list[str](), list[str](), set[str]()
    target = data[next(column.name for column in columns if column.role == "target")]
    for name, role, annotation, _, has_gaps, remarks in columns:
        if not annotation:
            fields += _comment(f"{name!r} is left out: {remarks[0]}.")
            continue
        is_text = annotation == "str"
        # In a column of another type, text is what could not be read.
        counts = Counter(value for value in data[name].dropna().tolist() if is_text or not isinstance(value, str))
        is_short = len(counts) <= min(MOST_CATEGORIES, len(data) // 10)  # The model learns the values of other text.
        is_class = role == "target" and not is_number(data[name])
        listed = sorted(counts) if is_class or (role == "feature" and is_text and is_short) else []
        finite = sorted(value for value in counts if value not in (float("inf"), -float("inf"))) or [None]
        values = [finite[0], finite[-1], None if has_gaps else finite[0]]
        seen = f"{min(counts, default='')} to {max(counts, default='')}"
        if (is_key := role in ("id", "group")) or (is_text and not listed):
            seen = f"{len(counts):,} different values"
            values = (["a", "b", None if has_gaps else "b"], ["a", "b", "c"], [1, 2, 3])[is_key + (not is_text)]
        elif is_text or "ool" in annotation:
            shown = ", ".join(f"{value!s:.30} ({count:,})" for value, count in counts.most_common(3))
            seen = f"{len(counts):,} values, the most frequent {shown}"
        bad = [f"{bad_rows[name]:,} rows are bad in this column."] if name in bad_rows else []
        telling = [TELLING.format(len(counts))] * (role == "feature" and decides_target(data[name], target))
        missing = f"; {data[name].isna().mean():.1%} missing" if has_gaps else ""
        for remark in (seen + missing if counts else "No value was seen.", *remarks, *telling, *bad):
            fields += _comment(remark)
        identifier = _make_identifier(name, taken)
        options = [
            *["unique=True"] * (role == "id"),
            *[f"isin={listed!r}"] * bool(listed),
            *["nullable=True"] * has_gaps,
            *[f"metadata={role.upper()}"] * (role != "feature"),
            *[f"alias={name!r}"] * (identifier != name),
        ]
        field = f"    {identifier}: Series[{annotation}]{' | None' if role in ('target', 'group') else ''}"
        fields.append(f"{field} = pa.Field({', '.join(options)})" if options else field)
        texts = [value.isoformat() if isinstance(value, pd.Timestamp) else value for value in values]
        rows.append(f"    {name!r}: {texts!r},")
    return {"fields": "\n".join(fields), "rows": "\n".join(rows)}


def is_number(target: pd.Series) -> bool:
    """Return whether a target is a number, and no class: a float, or an integer with many values."""
    return target.dtype.kind == "f" or (target.dtype.kind == "i" and target.nunique() > MOST_CATEGORIES)


def _comment(text: str) -> list[str]:
    return textwrap.wrap(escape(text), 120, initial_indent="    # ", subsequent_indent="    # ")


def escape(text: str) -> str:
    """Return text in one line, in which a character that cannot be printed is escaped."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in " ".join(text.split()))


def _make_identifier(name: str, taken: set[str]) -> str:
    """Return the name as an identifier that neither Python nor the module or the base of a schema uses."""
    identifier = re.sub(r"\W+", "_", name, flags=re.ASCII).strip("_")[:40]
    if not identifier.isidentifier():
        identifier = f"column_{identifier or len(taken) + 1}"
    while identifier in taken | _USED or keyword.iskeyword(identifier) or hasattr(BaseSchema, identifier):
        identifier += "_"
    taken.add(identifier)
    return identifier
