"""Adopt a table: write its schema, a preprocessing that passes everything on, its settings, and rows for its tests."""

from __future__ import annotations

import configparser
import difflib
import re
import sys
from pathlib import Path

import pyarrow as pa

from gokart_pipeline_sample.errors import PipelineError
from gokart_pipeline_sample.io.tables.table import open_table
from pipeline_runner.adopt.table_sketch import sketch_fields, sketch_rows
from pipeline_runner.errors import UsageError
from pipeline_runner.paths import IS_INSTALLED, PROJECT

TESTS = "test/table_test"
SCHEMAS = "gokart_pipeline_sample/pipeline/schemas"
SCHEMA = '''"""The input table."""

from __future__ import annotations

{pandas}import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema


class {name}FeatureSchema(BaseSchema):
    """{count} rows of {table}; the target is present for training and absent from new rows."""

{fields}'''
FEATURE = '''\
"""The schema of the input table, under the name that all tasks import; import your own schema here instead."""

from gokart_pipeline_sample.pipeline.schemas.{module}_feature import {name}FeatureSchema as FeatureSchema

__all__ = ["FeatureSchema"]
'''
PREPROCESSED = '''"""The table that the model is trained on."""

from __future__ import annotations

from gokart_pipeline_sample.pipeline.schemas.{module}_feature import {name}FeatureSchema


class PreprocessedSchema({name}FeatureSchema):
    """The input table; declare the features that PreprocessTask adds here."""
'''
PREPROCESS = '''"""Add features."""

from __future__ import annotations

from typing import cast

import pandera.pandas as pa
from pandera.typing import DataFrame

{imports}
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask


class PreprocessTask(GokartTask[DataFrame[PreprocessedSchema]]):
    """Outputs the ``PreprocessedSchema`` frame made from a ``{name}FeatureSchema`` frame."""

    data_task: TaskParameter[DataFrame[{name}FeatureSchema]] = TaskParameter("Outputs a {name}FeatureSchema frame.")

    def run(self) -> None:
        """Add the features and save the frame."""
        self.dump(self.preprocess(self.load(self.data_task)))

    @staticmethod
    @pa.check_types(lazy=True)
    def preprocess(data: DataFrame[{name}FeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add all features; training and prediction share this function, so that their rows are treated alike."""
        return cast("DataFrame[PreprocessedSchema]", data.assign())
'''
ROWS = '''"""Rows to test schema and preprocessing on: the least values that were seen, the greatest, and gaps."""

from __future__ import annotations

import pandas as pd
import pytest

from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema

ROWS = {{
{rows}}}


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(ROWS, dtype=object).astype(FeatureSchema.empty().dtypes)
'''


def adopt_table(uri: str, id_column: str, target_column: str, name: str | None, *, is_agreed: bool) -> int:
    """Show what has to be written for a table, ask, and write it.

    Args:
        uri: the table; see :class:`Table`.
        id_column: name of the column that identifies a row.
        target_column: name of the column to predict.
        name: name of the table in names of modules and classes; that of the file if None.
        is_agreed: whether to write without asking.

    Returns:
        The exit status: 0 if everything is written, 1 if the user has declined.

    Raises:
        UsageError: the table cannot be read, or does not fit; the message says what to do.
    """
    if IS_INSTALLED:
        raise UsageError("an installed package cannot be changed: use --new-table in a clone of the project")
    files = make_files(uri, id_column, target_column, name or _derive_name(uri))
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
        # Ctrl-D declines, too.
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
    """Return the content of each file to write, by its path in the project; None for a file to remove.

    Raises:
        UsageError: see :func:`adopt_table`.
    """
    try:
        table: pa.Table = open_table(uri).infer()
    except PipelineError as error:
        raise UsageError(str(error)) from error
    fields = sketch_fields(table, id_column, target_column)
    module = re.sub(r"\W+", "_", name).strip("_").lower()
    if not module.isidentifier() or not module.isascii():
        raise UsageError(f"{name!r} makes no name of a module: give --name letters, digits and underscores")
    class_name = "".join(word.capitalize() for word in module.split("_"))
    imports = (
        "from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema",
        f"from gokart_pipeline_sample.pipeline.schemas.{module}_feature import {class_name}FeatureSchema",
    )
    words = {
        "name": class_name,
        "module": module,
        # It goes into a docstring.
        "table": re.sub(r"[^\w .-]", "_", uri.rstrip("/").rpartition("/")[2]),
        "count": f"{len(table):,}",
        "fields": fields,
        "imports": "\n".join(sorted(imports)),
        "pandas": "import pandas as pd\n" if "pd." in fields else "",
    }
    schema, settings = f"{SCHEMAS}/{module}_feature.py", PROJECT / "conf" / "param.ini"
    files = {
        schema: SCHEMA.format_map(words),
        f"{SCHEMAS}/feature.py": FEATURE.format_map(words),
        f"{SCHEMAS}/preprocessed.py": PREPROCESSED.format_map(words),
        "gokart_pipeline_sample/pipeline/preprocess.py": PREPROCESS.format_map(words),
        "conf/param.ini": set_table(settings.read_text(), _locate(uri)),
    }
    if (PROJECT / TESTS).exists():
        words["rows"] = sketch_rows(table, id_column, target_column)
        files[f"{TESTS}/conftest.py"] = ROWS.format_map(words)
    return {**files, **_remove_other_table(schema)}


def _remove_other_table(schema: str) -> dict[str, str | None]:
    """Return what is to become of the files that belong to the table that was adopted before.

    Args:
        schema: path of the schema of the new table.
    """
    schemas = [path for path in (PROJECT / SCHEMAS).glob("*_feature.py") if path != PROJECT / schema]
    tests = [path for path in (PROJECT / TESTS).glob("test_*.py") if path.name != "test_table.py"]
    package = f"{SCHEMAS}/__init__.py"
    exports = re.sub(r"(?m)^from .*\w_feature import .*\n", "", (PROJECT / package).read_text())
    exports = re.sub(r'"\w+FeatureSchema",\s*', "", exports)
    return {package: exports, **{str(path.relative_to(PROJECT)): None for path in sorted([*schemas, *tests])}}


def set_table(settings: str, uri: str) -> str:
    """Return the text of an ini file with the table to train on, and everything else as it was."""
    section, line = "[gokart_pipeline_sample.LoadDataTask]", f"table={uri.replace('$', '$$')}"
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(settings)
    if not parser.has_section(section[1:-1]):
        return f"{settings.rstrip()}\n\n{section}\n{line}\n"
    head, _, rest = settings.partition(section)
    body, mark, tail = rest.partition("\n[")
    if parser.has_option(section[1:-1], "table"):
        body = re.sub(r"(?m)^table\s*[=:].*$", lambda _: line, body, count=1)
    else:
        body = f"\n{line}{body}"
    return f"{head}{section}{body}{mark}{tail}"


def _locate(uri: str) -> str:
    """Return the location of a table as the configuration has it: relative to the project if it is in there."""
    if "://" in uri:
        return uri
    path = Path(uri).resolve()
    return str(path.relative_to(PROJECT) if path.is_relative_to(PROJECT) else path)


def _derive_name(uri: str) -> str:
    return Path(uri.rstrip("/")).name.partition(".")[0] or "table"
