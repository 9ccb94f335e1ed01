"""Adopt a table: write its schema, a preprocessing that passes everything on, its settings, and rows for its tests."""

import difflib
import re
import sys
from pathlib import Path
from string import Template

from gokart_pipeline_sample.io.tables.table import open_table
from pipeline_runner.adopt.table_sketch import sketch_fields, sketch_rows
from pipeline_runner.errors import UsageError
from pipeline_runner.paths import IS_INSTALLED, PROJECT

TEMPLATES = Path(__file__).with_name("templates")
SCHEMAS, TESTS = "gokart_pipeline_sample/pipeline/schemas", "test/table_test"


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
        schema: "input_schema",
        f"{SCHEMAS}/feature.py": "feature",
        f"{SCHEMAS}/preprocessed.py": "preprocessed",
        "gokart_pipeline_sample/pipeline/preprocess.py": "preprocess",
        **({f"{TESTS}/conftest.py": "rows"} if (PROJECT / TESTS).exists() else {}),
    }
    schemas, tests = (PROJECT / SCHEMAS).glob("*_feature.py"), (PROJECT / TESTS).glob("test_*.py")
    others = {str(path.relative_to(PROJECT)) for path in (*schemas, *tests)} - {schema, f"{TESTS}/test_table.py"}
    if "://" not in uri:
        uri = str(Path(uri).resolve()).removeprefix(f"{PROJECT}/")
    package = f"{SCHEMAS}/__init__.py"
    exports = re.sub(r"(?m)^from .*\w_feature import .*\n", "", (PROJECT / package).read_text())
    return {
        **{
            path: Template((TEMPLATES / f"{name}.tmpl").read_text()).substitute(words)
            for path, name in templates.items()
        },
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
