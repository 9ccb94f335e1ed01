"""Adopt a table: write its schema, a preprocessing that passes everything on, its settings, and rows for its tests."""

import difflib
import math
import re
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path
from string import Template
from typing import Any

import pandas as pd
import pyarrow as pa

from gokart_pipeline_sample.io.tables.csv_text import DEFAULT_DIALECT
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.schemas.bad_rows import separate_rows
from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from pipeline_runner.adopt.infer_types import guess_dialect, read_columns
from pipeline_runner.adopt.sketch import escape, is_number, sketch
from pipeline_runner.errors import UsageError
from pipeline_runner.paths import COMMAND, IS_INSTALLED, PROJECT

SCHEMAS, TESTS = "gokart_pipeline_sample/pipeline/schemas", "test/table_test"
SECTION, REASON = "[gokart_pipeline_sample.LoadDataTask]", "# Bad rows: "


def adopt_table(uri: str, roles: dict[str, str], name: str | None, *, is_agreed: bool) -> int:
    """Show what has to be written for a table, ask unless that is agreed, write it, and return the exit status."""
    if IS_INSTALLED:
        raise UsageError("an installed package cannot be changed: use --new-table in a clone of the project")
    files, notes = make_files(uri, roles, name)
    written = {path: content for path, content in files.items() if content is not None}
    removed = [path for path in files if path not in written]
    for path, content in written.items():
        old = (PROJECT / path).read_text().splitlines() if (PROJECT / path).exists() else []
        print(*difflib.unified_diff(old, content.splitlines(), path, path, lineterm="", n=1), sep="\n")
    print("remove what belongs to another table:", ", ".join(removed) or "nothing")
    print(*(f"note: {escape(note)}\n" for note in notes), sep="", end="")
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
    print("next: read the schema, correct what the table alone could not tell, and run:", COMMAND)
    return 0


def make_files(uri: str, roles: dict[str, str], name: str | None) -> tuple[dict[str, Any], list[str]]:
    """Return the content of each file to write for a table, None for one to remove, and notes for a person."""
    table = open_table(uri)
    table = table.with_dialect(guess_dialect(table.files))
    columns = read_columns(table, roles)
    data = table.read(pa.schema([(column.name, column.type) for column in columns if column.type]))
    ids, target = (data[column] for column, role in roles.items() if role in ("id", "target"))
    notes = _judge(ids, target)
    given = name or Path(uri.rstrip("/")).name.partition(".")[0] or "table"
    module = re.sub(r"\W+", "_", given).strip("_").lower()
    if not module.isidentifier() or not module.isascii():
        raise UsageError(f"{given!r} makes no name of a module: give --name letters, digits and underscores")
    words = {
        "name": "".join(word.capitalize() for word in module.split("_")),
        "module": module,
        # It goes into a docstring.
        "table": re.sub(r"[^\w .-]", "_", uri.rstrip("/").rpartition("/")[2]),
        "group": "GROUP, " if "group" in roles.values() else "",
        "count": f"{len(data):,}",
        "pandas": "import pandas as pd\n" if any("pd." in column.annotation for column in columns) else "",
        **sketch(columns, data, {}),
    }
    with tempfile.NamedTemporaryFile("w", suffix=".py") as file:
        Path(file.name).write_text(_render("input_schema.tmpl", words))
        schema: type[BaseSchema] = runpy.run_path(file.name)[f"{words['name']}FeatureSchema"]
    good, found = separate_rows(schema, data)
    bad_rows = found.groupby("column", sort=False)["row"].nunique().to_dict()
    words |= sketch(columns, data, bad_rows)
    options = [f"table={uri if '://' in uri else str(Path(uri).expanduser().resolve()).removeprefix(f'{PROJECT}/')}"]
    for option, value, default in zip(table.dialect._fields, table.dialect, DEFAULT_DIALECT, strict=True):
        options += [f"{option}={value}".replace("\t", "tab")] if value != default else []
    notes += [f"{option}, because the files of the table look so" for option in options[1:]]
    if share := math.ceil(100 - 100 * len(good) / len(data)) / 100:
        counts = ", ".join(f"{column!r} ({rows:,})" for column, rows in bad_rows.items())
        told = f"{len(data) - len(good):,} of {len(data):,} rows are bad: {counts}"
        if share > 0.5:
            raise UsageError(f"{told}: correct the table, or leave these columns out of it")
        options += [f"{REASON}{escape(counts)}", "on_bad_row=drop", f"max_dropped_share={share}"]
        notes.append(f"{told}; they are left out of the training")
    notes += [f"{column.name!r}: {remark}" for column in columns for remark in column.remarks]
    return _fill_templates(words, options, has_classes=not is_number(target)), notes


def _fill_templates(words: dict[str, str], options: list[str], *, has_classes: bool) -> dict[str, Any]:
    schema = f"{SCHEMAS}/{words['module']}_feature.py"
    schemas, tests = (PROJECT / SCHEMAS).glob("*_feature.py"), (PROJECT / TESTS).glob("test_*.py")
    others = {str(path.relative_to(PROJECT)) for path in (*schemas, *tests)} - {schema, f"{TESTS}/test_table.py"}
    return {
        schema: _render("input_schema.tmpl", words),
        f"{SCHEMAS}/feature.py": _render("feature.tmpl", words),
        f"{SCHEMAS}/preprocessed.py": _render("preprocessed.tmpl", words),
        "gokart_pipeline_sample/pipeline/preprocess.py": _render("preprocess.tmpl", words),
        **({f"{TESTS}/conftest.py": _render("rows.tmpl", words)} if (PROJECT / TESTS).exists() else {}),
        "conf/param.ini": set_options((PROJECT / "conf" / "param.ini").read_text(), options, has_classes=has_classes),
        **dict.fromkeys(sorted(others)),
    }


def _render(template: str, words: dict[str, str]) -> str:
    """Fill a template, and format the code as ruff does, where that is installed."""
    text = Template(Path(__file__).with_name("templates").joinpath(template).read_text()).substitute(words)
    ruff = [sys.executable, "-m", "ruff", "format", "--quiet", "--line-length=120", "-"]
    done = subprocess.run(ruff, input=text, capture_output=True, text=True, cwd=PROJECT, check=False)
    return text if done.returncode else done.stdout


def set_options(settings: str, options: list[str], *, has_classes: bool = True) -> str:
    """Return the text of an ini file with lines of options of the table to train on, without those of another table."""
    if not has_classes:
        settings = re.sub(r"(?m)^require_acc\s*[=:].*\n", "", settings)
    lines = "".join(f"{option.replace('$', '$$')}\n" for option in options)
    settings = re.sub(r"(?m)^lookups\s*[=:].*\n", "", settings)
    found = re.search(rf"(?ms)^{re.escape(SECTION)}\n(.*?)(?=^\[|\Z)", settings)
    if found is None:
        return f"{settings.rstrip()}\n\n{SECTION}\n{lines}"
    others = rf"(?m)^({REASON}|(encoding|delimiter|decimal|on_bad_row|max_dropped_share)\s*[=:]).*\n?"
    body, is_set = re.subn(r"(?m)^table\s*[=:].*\n?", lambda _: lines, re.sub(others, "", found[1]), count=1)
    return f"{settings[: found.start(1)]}{body if is_set else lines + body}{settings[found.end(1) :]}"


def _judge(ids: pd.Series, target: pd.Series) -> list[str]:
    """Return notes on what a gate can tell of a model; raise a UsageError if there can be none."""
    if repeated := int(ids.duplicated().sum()):
        raise UsageError(f"{repeated} rows have the {ids.name} of another row: give --id a unique column")
    counts = target.value_counts()
    given = f"the target {target.name} has {len(counts):,} different values, so it is"
    if is_number(target) and len(counts) > 1:
        return [f"{given} a number; if they are classes, list them in the isin of its field, as int, str or bool"]
    if not 2 <= len(counts) <= 200:
        raise UsageError(f"the target has {len(counts)} different values: it must have 2 to 200 classes")
    (most, many), *_, (least, few) = counts.items()
    notes = {
        f"{len(target)} rows are few: LightGBM needs at least 40 to train on, and a test more": len(target) < 100,
        f"the class {least} has {few} rows, too few to test a model on": few < 30,
        f"{many} rows are {most}: add require=balanced_accuracy>0.6 to CheckAccuracyTask": many > 0.9 * len(target),
    }
    choice = [f"{given} a class; if it is a number, remove the isin of its field"] * (target.dtype.kind == "i")
    return [*choice, *(note for note, is_so in notes.items() if is_so)]
