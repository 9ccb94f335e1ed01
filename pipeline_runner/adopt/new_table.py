"""Adopt a table: write its schema, a preprocessing that passes everything on, its settings, and rows for its tests."""

import difflib
import keyword
import re
import sys
from datetime import date
from decimal import Decimal
from pathlib import Path
from string import Template
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from gokart_pipeline_sample.io.tables.casts import is_text
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from pipeline_runner.errors import UsageError
from pipeline_runner.paths import IS_INSTALLED, PROJECT

TEMPLATES = Path(__file__).with_name("templates")
SCHEMAS, TESTS = "gokart_pipeline_sample/pipeline/schemas", "test/table_test"
# Text with more values is open: the model learns them.
MOST_LISTED_VALUES = 20
MOST_CLASSES = 200
SHOWN_VALUES = 3
LINE_LENGTH = 120


def adopt_table(uri: str, id_column: str, target_column: str, name: str | None, *, is_agreed: bool) -> int:
    """Show what has to be written for a table, ask unless that is agreed, write it, and return the exit status."""
    if IS_INSTALLED:
        raise UsageError("an installed package cannot be changed: use --new-table in a clone of the project")
    files = make_files(uri, id_column, target_column, name or Path(uri.rstrip("/")).name.partition(".")[0] or "table")
    written = {path: content for path, content in files.items() if content is not None}
    removed = [path for path in files if path not in written]
    for path, content in written.items():
        old = (PROJECT / path).read_text().splitlines() if (PROJECT / path).exists() else []
        print(*difflib.unified_diff(old, content.splitlines(), path, path, lineterm="", n=1), sep="\n")
    print("remove what belongs to another table:", ", ".join(removed) or "nothing")
    if not is_agreed:
        if not sys.stdin.isatty():
            raise UsageError("nobody can be asked whether to write this: add --yes")
        print("Change these files? [y/N] ", end="", flush=True)
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            return 1
    for path, content in written.items():
        (PROJECT / path).write_text(content)
    for path in removed:
        (PROJECT / path).unlink()
    print("wrote", ", ".join(written))
    print("next: read the schema, correct what the table alone could not tell, and run: python main.py")
    return 0


def make_files(uri: str, id_column: str, target_column: str, name: str) -> dict[str, str | None]:
    """Return the content of each file to write, by its path in the project; None for a file to remove."""
    table = open_table(uri).infer()
    fields = sketch_fields(table, id_column, target_column)
    module = re.sub(r"\W+", "_", name).strip("_").lower()
    if not module.isidentifier() or not module.isascii():
        raise UsageError(f"{name!r} makes no name of a module: give --name letters, digits and underscores")
    words = {
        "name": "".join(word.capitalize() for word in module.split("_")),
        "module": module,
        # It goes into a docstring.
        "table": re.sub(r"[^\w .-]", "_", uri.rstrip("/").rpartition("/")[2]),
        "count": f"{len(table):,}",
        "fields": fields.rstrip("\n"),
        "rows": sketch_rows(table, id_column, target_column).rstrip("\n"),
        "pandas": "import pandas as pd\n" if "pd." in fields else "",
    }
    schema = f"{SCHEMAS}/{module}_feature.py"
    templates = {
        schema: "input_schema.tmpl",
        f"{SCHEMAS}/feature.py": "feature.tmpl",
        f"{SCHEMAS}/preprocessed.py": "preprocessed.tmpl",
        "gokart_pipeline_sample/pipeline/preprocess.py": "preprocess.tmpl",
        **({f"{TESTS}/conftest.py": "rows.tmpl"} if (PROJECT / TESTS).exists() else {}),
    }
    schemas, tests = (PROJECT / SCHEMAS).glob("*_feature.py"), (PROJECT / TESTS).glob("test_*.py")
    others = {str(path.relative_to(PROJECT)) for path in (*schemas, *tests)} - {schema, f"{TESTS}/test_table.py"}
    if "://" not in uri:
        uri = str(Path(uri).resolve()).removeprefix(f"{PROJECT}/")
    package = f"{SCHEMAS}/__init__.py"
    exports = re.sub(r"(?m)^from .*\w_feature import .*\n", "", (PROJECT / package).read_text())
    return {
        **{path: Template((TEMPLATES / file).read_text()).substitute(words) for path, file in templates.items()},
        "conf/param.ini": set_table((PROJECT / "conf" / "param.ini").read_text(), uri),
        package: re.sub(r'"\w+FeatureSchema",\s*', "", exports),
        **dict.fromkeys(sorted(others)),
    }


def set_table(settings: str, uri: str) -> str:
    """Return the text of an ini file with the table to train on, and everything else as it was."""
    section, line = "[gokart_pipeline_sample.LoadDataTask]", f"table={uri.replace('$', '$$')}\n"
    found = re.search(rf"(?ms)^{re.escape(section)}\n(.*?)(?=^\[|\Z)", settings)
    if found is None:
        return f"{settings.rstrip()}\n\n{section}\n{line}"
    body, is_set = re.subn(r"(?m)^table\s*[=:].*\n?", lambda _: line, found[1], count=1)
    return f"{settings[: found.start(1)]}{body if is_set else line + body}{settings[found.end(1) :]}"


def sketch_fields(table: pa.Table, id_column: str, target_column: str) -> str:
    """Return the body of a schema: a field for each column of the table, with a comment on what was seen."""
    names, taken, roles = table.schema.names, set[str](), {id_column: "id", target_column: "target"}
    for option, name in (("--id", id_column), ("--target", target_column)):
        if names.count(name) != 1:
            raise UsageError(f"the table has no column {name}: give {option} one of {', '.join(names)}")
        if nulls := table[name].null_count:
            raise UsageError(f"the column {name} is missing in {nulls} rows: remove them, or give {option} another one")
    if repeated := len(table) - len(table[id_column].unique()):
        raise UsageError(f"{repeated} rows have the {id_column} of another row: give --id a unique column")
    return "".join(_sketch(_decode(table[name]), name, roles.get(name, "feature"), taken) for name in names)


def sketch_rows(table: pa.Table, id_column: str, target_column: str) -> str:
    """Return entries for three rows: with the least values, the greatest, and gaps; ids and open text are made up."""
    roles = {id_column: "id", target_column: "target"}
    return "".join(
        _wrap("    ", f"{_quote(name)}: [", [*map(_quote, _choose_values(column, roles.get(name, "feature")))], "],")
        for name in table.schema.names
        if _annotate(column := _decode(table[name]))
    )


def _choose_values(column: pa.ChunkedArray, role: str) -> list[Any]:
    if role == "id":
        return ["a", "b", "c"] if is_text(column.type) else [1, 2, 3]
    if is_text(column.type) and not _list_values(column, role):
        return ["a", "b", None if column.null_count else "b"]
    known = column.drop_null()
    if types.is_floating(column.type):
        known = known.filter(pc.is_finite(known))
    least, greatest = pc.min_max(known).as_py().values()
    return [least, greatest, None if column.null_count else least]


def _decode(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as the pipeline reads it: without a dictionary, and in UTC."""
    kind = column.type
    if types.is_dictionary(kind):
        return column.cast(kind.value_type)
    return column.cast(pa.timestamp(kind.unit)) if types.is_timestamp(kind) else column


def _sketch(column: pa.ChunkedArray, name: str, role: str, taken: set[str]) -> str:
    annotation = _annotate(column)
    allowed = {"id": ("int", "str"), "target": ("int", "str", "bool")}.get(role, (annotation,))
    if annotation not in allowed:
        raise UsageError(f"the {role} {name} is {column.type}: make it {' or '.join(map(str, allowed))}")
    if annotation is None:
        return f"    # {name!r} is left out: its type is {column.type}.\n"
    values = _list_values(column, role)
    identifier = _make_identifier(name, taken)
    given = {
        "unique=True": role == "id",
        _wrap(8 * " ", "isin=[", [*map(_quote, values)], "],").strip().removesuffix(","): bool(values),
        "nullable=True": column.null_count > 0,
        f"metadata={role.upper()}": role != "feature",
        f"alias={_quote(name)}": identifier != name,
    }
    declaration = f"{identifier}: Series[{annotation}]{' | None' if role == 'target' else ''}"
    options = [option for option, is_given in given.items() if is_given]
    field = _wrap("    ", f"{declaration} = pa.Field(", options, ")") if options else f"    {declaration}\n"
    return f"    # {_describe(column, is_open=role == 'id' or (is_text(column.type) and not values))}\n{field}"


def _annotate(column: pa.ChunkedArray) -> str | None:
    kind, has_nulls = column.type, column.null_count > 0
    if types.is_integer(kind):
        return "pd.Int64Dtype" if has_nulls else "int"
    if types.is_boolean(kind):
        return "pd.BooleanDtype" if has_nulls else "bool"
    if types.is_floating(kind) or types.is_decimal(kind) or types.is_null(kind):
        return "float"
    if types.is_timestamp(kind) or types.is_date(kind):
        return "pd.Timestamp"
    return "str" if is_text(column.type) else None


def _list_values(column: pa.ChunkedArray, role: str) -> list[Any]:
    """Return the classes of the target, or the values of a text that has few of them."""
    if role == "id" or not (role == "target" or is_text(column.type)):
        return []
    values = sorted(column.drop_null().unique().to_pylist())
    if role == "target" and not 2 <= len(values) <= MOST_CLASSES:
        raise UsageError(f"the target has {len(values)} different values: it must have 2 to {MOST_CLASSES} classes")
    return values if role == "target" or len(values) <= min(MOST_LISTED_VALUES, len(column) // 10) else []


def _describe(column: pa.ChunkedArray, is_open: bool) -> str:
    """Return what was seen of a column; no value of an open one, which may tell of a person."""
    known = column.drop_null()
    if not len(known):
        return "No value was seen."
    if is_open:
        seen = f"{len(known.unique()):,} different values"
    elif is_text(column.type) or types.is_boolean(column.type):
        counts = sorted(pc.value_counts(known).to_pylist(), key=lambda each: -each["counts"])
        shown = ", ".join(f"{each['values']!s:.30} ({each['counts']:,})" for each in counts[:SHOWN_VALUES])
        seen = f"{len(counts):,} values, the most frequent {shown}"
    else:
        seen = " to ".join(map(str, pc.min_max(known).as_py().values()))
    if types.is_floating(column.type) and (infinite := pc.sum(pc.is_inf(known)).as_py()):
        seen += f"; {infinite} infinite, which makes bad rows"
    missing = f"; {column.null_count / len(column):.1%} missing" if column.null_count else ""
    return re.sub(r"\s+", " ", seen + missing)[: LINE_LENGTH - 6]


def _make_identifier(name: str, taken: set[str]) -> str:
    """Return the name as an identifier that neither Python nor the base of all schemas uses."""
    identifier = re.sub(r"\W+", "_", name).strip("_")
    if not identifier.isidentifier():
        identifier = f"column_{identifier}".rstrip("_")
    while identifier in taken or keyword.iskeyword(identifier) or hasattr(BaseSchema, identifier):
        identifier += "_"
    taken.add(identifier)
    return identifier


def _quote(value: Any) -> str:
    """Return a literal with the quotes that ruff prefers; a time becomes text, and a decimal a number."""
    if isinstance(value, Decimal):
        value = float(value)
    elif isinstance(value, date):
        value = value.isoformat()
    return f'"{value}"' if repr(value) == f"'{value}'" and '"' not in value else repr(value)


def _wrap(indent: str, head: str, items: list[str], tail: str) -> str:
    """Return a line, or several lines if it is too long, as ruff formats them."""
    line = f"{indent}{head}{', '.join(items)}{tail}"
    if len(line) <= LINE_LENGTH and "\n" not in line:
        return f"{line}\n"
    return "".join([f"{indent}{head}\n", *(f"{indent}    {item},\n" for item in items), f"{indent}{tail}\n"])
