from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_runner.adopt import new_table
from pipeline_runner.adopt.new_table import SCHEMAS, TESTS, adopt_table, make_files, set_table
from pipeline_runner.errors import UsageError

SECTION = "[gokart_pipeline_sample.LoadDataTask]"
EXPORTS = """from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.old_feature import OldFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema

__all__ = ["BaseSchema", "FeatureSchema", "OldFeatureSchema", "OutputSchema"]
"""
EXPORTS_OF_NO_TABLE = """from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema

__all__ = ["BaseSchema", "FeatureSchema", "OutputSchema"]
"""
FILES = {
    "conf/param.ini": "[core]\n",
    "table.csv": "nr,size,label\n" + "".join(f"{number},{number / 2},{'ab'[number % 2]}\n" for number in range(40)),
    f"{SCHEMAS}/__init__.py": EXPORTS,
    f"{SCHEMAS}/feature.py": "",
    f"{SCHEMAS}/old_feature.py": "",
    f"{SCHEMAS}/older_feature.py": "",
    f"{SCHEMAS}/output.py": "",
    f"{SCHEMAS}/preprocessed.py": "",
    "gokart_pipeline_sample/pipeline/preprocess.py": "",
    "gokart_pipeline_sample/pipeline/model/fit_features.py": "",
    f"{TESTS}/conftest.py": "",
    f"{TESTS}/test_old_feature.py": "",
    f"{TESTS}/test_table.py": "",
    "test/unit_test/test_x.py": "",
}
WRITTEN = {
    "conf/param.ini",
    f"{SCHEMAS}/__init__.py",
    f"{SCHEMAS}/feature.py",
    f"{SCHEMAS}/preprocessed.py",
    f"{SCHEMAS}/table_feature.py",
    "gokart_pipeline_sample/pipeline/preprocess.py",
    f"{TESTS}/conftest.py",
}
REMOVED = {f"{SCHEMAS}/old_feature.py", f"{SCHEMAS}/older_feature.py", f"{TESTS}/test_old_feature.py"}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(new_table, "PROJECT", tmp_path)
    return tmp_path


def adopt(project: Path, *, is_agreed: bool) -> int:
    return adopt_table(str(project / "table.csv"), "nr", "label", None, is_agreed=is_agreed)


def read(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def name_files(files: dict[str, str | None]) -> tuple[set[str], set[str]]:
    """Return the paths of the files to write, and of those to remove."""
    written = {path for path, text in files.items() if text is not None}
    return written, files.keys() - written


class TestMakeFiles:
    def test_removes_schema_and_tests_of_another_table(self, project: Path) -> None:
        files = make_files(str(project / "table.csv"), "nr", "label", "table")
        assert name_files(files) == (WRITTEN, REMOVED)

    def test_replaces_the_schema_of_the_same_name(self, project: Path) -> None:
        files = make_files(str(project / "table.csv"), "nr", "label", "Old")
        other = f"{SCHEMAS}/table_feature.py", f"{SCHEMAS}/old_feature.py"
        assert name_files(files) == (WRITTEN - {other[0]} | {other[1]}, REMOVED - {other[1]})

    def test_a_project_without_tests_gets_none(self, project: Path) -> None:
        for path in (project / TESTS).iterdir():
            path.unlink()
        (project / TESTS).rmdir()
        files = make_files(str(project / "table.csv"), "nr", "label", "table")
        assert name_files(files) == (WRITTEN - {f"{TESTS}/conftest.py"}, REMOVED - {f"{TESTS}/test_old_feature.py"})

    @pytest.mark.parametrize("comma", [", ", ",\n    "])
    def test_the_package_exports_the_schema_of_no_table(self, project: Path, comma: str) -> None:
        (project / SCHEMAS / "__init__.py").write_text(EXPORTS.replace(", ", comma))
        files = make_files(str(project / "table.csv"), "nr", "label", "table")
        assert files[f"{SCHEMAS}/__init__.py"] == EXPORTS_OF_NO_TABLE.replace(", ", comma)

    def test_the_tests_have_rows_that_are_made_up_or_extreme(self, project: Path) -> None:
        rows = make_files(str(project / "table.csv"), "nr", "label", "table")[f"{TESTS}/conftest.py"]
        assert rows
        entries = '    "nr": [1, 2, 3],\n    "size": [0.0, 19.5, 0.0],\n    "label": ["a", "b", "a"],\n'
        assert f"\nROWS = {{\n{entries}}}\n" in rows


class TestAdoptTable:
    @pytest.mark.parametrize("answer", [None, "y\n", "yes\n", " Y \n"])
    def test_writes_and_removes_what_is_agreed_to(
        self,
        project: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        answer: str | None,
    ) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        expected = make_files(str(project / "table.csv"), "nr", "label", "table")

        assert adopt(project, is_agreed=answer is None) == 0

        assert read(project) == {path: text for path, text in {**FILES, **expected}.items() if text is not None}
        shown = capsys.readouterr().out
        assert ("Change these files? [y/N] " in shown) == (answer is not None)
        assert f"remove what belongs to another table: {', '.join(sorted(REMOVED))}\n" in shown

    @pytest.mark.parametrize("answer", ["", "\n", "n\n", "no\n", "yesterday\n"])
    def test_changes_nothing_that_is_declined(
        self, project: Path, monkeypatch: pytest.MonkeyPatch, answer: str
    ) -> None:
        monkeypatch.setattr(sys, "stdin", Terminal(answer))
        assert adopt(project, is_agreed=False) == 1
        assert read(project) == FILES

    def test_asks_nobody_but_a_person(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("y\n"))
        with pytest.raises(UsageError, match="nobody can be asked whether to write this: add --yes"):
            adopt(project, is_agreed=False)
        assert read(project) == FILES

    def test_changes_no_installed_package(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(new_table, "IS_INSTALLED", True)
        with pytest.raises(UsageError, match="an installed package cannot be changed: use --new-table in a clone"):
            adopt(project, is_agreed=True)
        assert read(project) == FILES

    def test_shows_what_it_writes(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "conf" / "param.ini").write_text(f"{SECTION}\ntable=old.csv\n")
        adopt(project, is_agreed=True)
        shown = capsys.readouterr().out
        assert "--- conf/param.ini\n+++ conf/param.ini\n@@ -1,2 +1,2 @@\n" in shown
        assert "\n-table=old.csv\n+table=table.csv\n" in shown
        assert "\n+    size: Series[float]\n" in shown


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("[a]\nx=1\n", f"[a]\nx=1\n\n{SECTION}\ntable=new.csv\n"),
        (f"{SECTION}\ntable=old.csv\ny=1\n\n[b]\n", f"{SECTION}\ntable=new.csv\ny=1\n\n[b]\n"),
        (f"{SECTION}\n# the table\ntable: old.csv\n", f"{SECTION}\n# the table\ntable=new.csv\n"),
        (f"{SECTION}\ny=1\n[b]\ntable=z\n", f"{SECTION}\ntable=new.csv\ny=1\n[b]\ntable=z\n"),
    ],
)
def test_the_table_is_set_and_all_else_stays(settings: str, expected: str) -> None:
    assert set_table(settings, "new.csv") == expected


def test_a_dollar_is_no_variable() -> None:
    assert "table=a$$b.csv" in set_table("", "a$b.csv")


def test_neither_a_name_nor_a_value_becomes_code(tmp_path: Path) -> None:
    path = tmp_path / '"""\nboom = 1\n""".parquet'
    hostile = ['"]) \nboom = 1 #', "\r boom = 1", "'\\", "{boom}", 'x"y']
    columns = {name: [f"{name}{number % 4}" for number in range(80)] for name in hostile}
    pq.write_table(pa.table({"key": range(80), **columns, "label": ["a", "b"] * 40}), path)
    files = make_files(str(path), "key", "label", "t")
    (schema,) = (text for name, text in files.items() if name.endswith("t_feature.py"))
    assert not [node for node in ast.walk(ast.parse(schema)) if isinstance(node, ast.Assign)]
    aliases = [node.value for node in ast.walk(ast.parse(schema)) if isinstance(node, ast.Constant)]
    assert set(hostile) <= set(aliases)


def test_nothing_that_may_tell_of_a_person_is_written(tmp_path: Path) -> None:
    people = {
        "email": [f"someone{number}@example.com" for number in range(200)],
        "name": ["someone frequent"] * 50 + [f"someone called {number}" for number in range(149)] + [None],
        "phone": [f"someone's {number % 30}" for number in range(200)],
        "label": ["a", "b"] * 100,
    }
    pq.write_table(pa.table(people), tmp_path / "people.parquet")
    files = make_files(str(tmp_path / "people.parquet"), "email", "label", "people")
    assert "test/table_test/conftest.py" in files
    assert [path for path, text in files.items() if text and "someone" in text] == []
