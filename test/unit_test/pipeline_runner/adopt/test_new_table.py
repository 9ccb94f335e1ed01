from __future__ import annotations

import ast
import datetime
import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gokart_pipeline_sample.errors import TableError
from pipeline_runner.adopt import new_table
from pipeline_runner.adopt.new_table import SCHEMAS, TESTS, adopt_table, make_files, set_options
from pipeline_runner.errors import UsageError
from pipeline_runner.paths import PROJECT

SECTION = "[gokart_pipeline_sample.LoadDataTask]"
FILES = {
    "conf/param.ini": "[core]\n",
    "table.csv": "nr,size,label\n" + "".join(f"{number},{number / 2},{'ab'[number % 2]}\n" for number in range(40)),
    f"{SCHEMAS}/__init__.py": "",
    f"{SCHEMAS}/feature.py": "",
    f"{SCHEMAS}/old_feature.py": "",
    f"{SCHEMAS}/older_feature.py": "",
    f"{SCHEMAS}/output.py": "",
    f"{SCHEMAS}/preprocessed.py": "",
    "gokart_pipeline_sample/pipeline/preprocess.py": "",
    f"{TESTS}/conftest.py": "",
    f"{TESTS}/test_old_feature.py": "",
    f"{TESTS}/test_table.py": "",
    "test/unit_test/test_x.py": "",
}
WRITTEN = {
    "conf/param.ini",
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
    return adopt_table(str(project / "table.csv"), {"nr": "id", "label": "target"}, None, is_agreed=is_agreed)


def read(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in folder.rglob("*") if path.is_file()}


def name_files(files: dict[str, str | None]) -> tuple[set[str], set[str]]:
    """Return the paths of the files to write, and of those to remove."""
    written = {path for path, text in files.items() if text is not None}
    return written, files.keys() - written


class TestMakeFiles:
    def test_removes_schema_and_tests_of_another_table(self, project: Path) -> None:
        files = make_files(str(project / "table.csv"), {"nr": "id", "label": "target"}, "table")[0]
        assert name_files(files) == (WRITTEN, REMOVED)

    def test_replaces_the_schema_of_the_same_name(self, project: Path) -> None:
        files = make_files(str(project / "table.csv"), {"nr": "id", "label": "target"}, "Old")[0]
        other = f"{SCHEMAS}/table_feature.py", f"{SCHEMAS}/old_feature.py"
        assert name_files(files) == (WRITTEN - {other[0]} | {other[1]}, REMOVED - {other[1]})

    def test_a_project_without_tests_gets_none(self, project: Path) -> None:
        for path in (project / TESTS).iterdir():
            path.unlink()
        (project / TESTS).rmdir()
        files = make_files(str(project / "table.csv"), {"nr": "id", "label": "target"}, "table")[0]
        assert name_files(files) == (WRITTEN - {f"{TESTS}/conftest.py"}, REMOVED - {f"{TESTS}/test_old_feature.py"})

    def test_the_tests_have_rows_that_are_made_up_or_extreme(self, project: Path) -> None:
        rows = make_files(str(project / "table.csv"), {"nr": "id", "label": "target"}, "table")[0][
            f"{TESTS}/conftest.py"
        ]
        assert rows
        entries = '    "nr": [1, 2, 3],\n    "size": [0.0, 19.5, 0.0],\n    "label": ["a", "b", "a"],\n'
        assert f"\nROWS = {{\n{entries}}}\n" in rows

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"<!DOCTYPE html>\n<html></html>\n", "no column .*; it is HTML or XML: download the file itself"),
            (
                b'[{"nr": 1, "label": 2}]',
                "no column .*; it is JSON: write an object on each line, and let its name end in .jsonl",
            ),
            (b"PK\x03\x04 xl/workbook.xml\n", "no column .*; it is an Excel workbook or a ZIP archive: save its sheet"),
            (b"\x1f\x8b\x08\n", "it is compressed by gzip: let its name end in .csv.gz"),
            (b"", "it is empty: write it again"),
            (b"NR,label\n1,a\n", "no column nr: give --id one of NR"),
        ],
        ids=["HTML", "JSON", "Excel", "gzip", "nothing", "case"],
    )
    def test_names_what_is_no_table(self, project: Path, content: bytes, message: str) -> None:
        (project / "other.csv").write_bytes(content)
        with pytest.raises((UsageError, TableError), match=message):
            make_files(str(project / "other.csv"), {"nr": "id", "label": "target"}, "table")

    def test_the_settings_have_a_path_from_home_as_it_is(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", str(project.parent))
        settings = make_files(f"~/{project.name}/table.csv", {"nr": "id", "label": "target"}, "table")[0][
            "conf/param.ini"
        ]
        assert "\ntable=table.csv\n" in settings


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
        expected = make_files(str(project / "table.csv"), {"nr": "id", "label": "target"}, "table")[0]

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
    assert set_options(settings, ["table=new.csv"]) == expected


def test_the_lookups_of_another_table_are_removed() -> None:
    settings = f'[p]\nlookups={{"regions": "old.csv"}}\nrerun=false\n\n{SECTION}\ntable=old.csv\n'
    assert set_options(settings, ["table=new.csv"]) == f"[p]\nrerun=false\n\n{SECTION}\ntable=new.csv\n"


def test_a_dollar_is_no_variable() -> None:
    assert "table=a$$b.csv" in set_options("", ["table=a$b.csv"])


def test_neither_a_name_nor_a_value_becomes_code(tmp_path: Path) -> None:
    path = tmp_path / '"""\nboom = 1\n""".parquet'
    hostile = ['"]) \nboom = 1 #', "\r boom = 1", "'\\", "{boom}", 'x"y']
    columns = {name: [f"{name}{number % 4}" for number in range(80)] for name in hostile}
    pq.write_table(pa.table({"key": range(80), **columns, "label": ["a", "b"] * 40}), path)
    files = make_files(str(path), {"key": "id", "label": "target"}, "t")[0]
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
    files = make_files(str(tmp_path / "people.parquet"), {"email": "id", "label": "target"}, "people")[0]
    assert "test/table_test/conftest.py" in files
    assert [path for path, text in files.items() if text and "someone" in text] == []


def adopt_content(project: Path, content: bytes | dict[str, Any], name: str = "data.csv") -> str:
    """Adopt a table with the columns ``nr`` and ``label``, and return the schema."""
    path = project / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        pq.write_table(pa.table(content), path)
    assert adopt_table(str(path), {"nr": "id", "label": "target"}, "t", is_agreed=True) == 0
    return (project / SCHEMAS / "t_feature.py").read_text()


def make_rows(cells: list[Any], rows: int = 240) -> dict[str, list[Any]]:
    """Return columns of a table in which a feature ``x`` has the given values, and then others."""
    x = [*cells, *(number / 4 for number in range(rows - len(cells)))]
    return {"nr": list(range(rows)), "x": x, "label": ["a", "b"] * (rows // 2)}


def make_csv(cells: list[Any], delimiter: str = ",") -> bytes:
    columns = make_rows(cells)
    lines = [delimiter.join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    return "\n".join([delimiter.join(columns), *lines, ""]).encode()


class TestReadBack:
    """What is adopted is read back before anything is written."""

    @pytest.mark.parametrize(
        ("content", "name", "bad_rows"),
        [
            (make_csv(["12%", "x"]), "data.csv", 2),
            (make_csv(["inf"]), "data.csv", 1),
            (make_csv(["1e400", "1_000"]), "data.csv", 2),
            (make_rows([float("inf"), float("-inf")]), "data.parquet", 2),
            (make_rows([]) | {"x": [datetime.date(9999, 1, 1), *[datetime.date(2024, 1, 1)] * 239]}, "d.parquet", 1),
            (
                make_rows([]) | {"x": [datetime.datetime(1, 1, 1), *[datetime.datetime(2024, 1, 1)] * 239]},
                "d.parquet",
                1,
            ),
        ],
    )
    def test_a_few_bad_rows_are_left_out_with_the_reason(
        self,
        project: Path,
        capsys: pytest.CaptureFixture[str],
        content: bytes | dict[str, Any],
        name: str,
        bad_rows: int,
    ) -> None:
        schema = adopt_content(project, content, name)

        assert f"    # {bad_rows} rows are bad in this column.\n    x: Series[" in schema
        options = f"# Bad rows: 'x' ({bad_rows})\non_bad_row=drop\nmax_dropped_share=0.01\n"
        assert options in (project / "conf" / "param.ini").read_text()
        assert (
            f"note: {bad_rows} of 240 rows are bad: 'x' ({bad_rows}); they are left out of the training\n"
            in capsys.readouterr().out
        )

    @pytest.mark.parametrize(
        "content",
        [
            make_csv(["", "-"]),
            make_csv(["1.5"]),
            make_rows([float("nan"), None]),
            make_rows([]) | {"x": pa.array(range(240), pa.float16())},
            b"\n" + make_csv([]),
        ],
    )
    def test_a_table_without_bad_rows_needs_no_options(self, project: Path, content: bytes | dict[str, Any]) -> None:
        schema = adopt_content(project, content, "data.csv" if isinstance(content, bytes) else "data.parquet")
        assert "    x: Series[float]" in schema
        assert "on_bad_row" not in (project / "conf" / "param.ini").read_text()

    @pytest.mark.parametrize("year", [1, 1500, 2500, 9999])
    def test_a_table_of_bad_rows_is_not_adopted(self, project: Path, year: int) -> None:
        columns = make_rows([]) | {"x": [datetime.date(year, 1, 1)] * 239 + [datetime.date(2024, 1, 1)]}
        with pytest.raises(UsageError, match=r"239 of 240 rows are bad: 'x' \(239\): correct the table"):
            adopt_content(project, columns, "data.parquet")
        (project / "data.parquet").unlink()
        assert read(project) == FILES

    @pytest.mark.parametrize("other", ["y", "X", "x ", "ｘ", '"x\n"'])
    def test_parts_that_differ_are_not_adopted(self, project: Path, other: str) -> None:
        (project / "parts").mkdir()
        (project / "parts" / "1.csv").write_bytes(make_csv([]))
        (project / "parts" / "2.csv").write_text(f"nr,{other},label\n999,1,a\n")
        with pytest.raises(TableError, match=r"[12]\.csv: columns are missing \("):
            adopt_table(str(project / "parts"), {"nr": "id", "label": "target"}, "t", is_agreed=True)
        assert not (project / SCHEMAS / "t_feature.py").exists()

    def test_files_of_both_formats_fit_together(self, project: Path) -> None:
        (project / "parts").mkdir()
        (project / "parts" / "1.csv").write_bytes(make_csv([]))
        pq.write_table(pa.table({"nr": [999], "x": [0.5], "label": ["a"]}), project / "parts" / "2.parquet")
        assert adopt_table(str(project / "parts"), {"nr": "id", "label": "target"}, "t", is_agreed=True) == 0
        assert "    x: Series[float]\n" in (project / SCHEMAS / "t_feature.py").read_text()

    @pytest.mark.parametrize(("one", "other"), [(1, True), (0.5, datetime.date(2024, 1, 1)), (True, "a"), ("a", 1)])
    def test_files_of_different_types_do_not(self, project: Path, one: object, other: object) -> None:
        (project / "parts").mkdir()
        for number, value in enumerate((one, other)):
            columns = {"nr": [number], "x": [value], "label": [f"{number}"]}
            pq.write_table(pa.table(columns), project / "parts" / f"{number}.parquet")
        with pytest.raises(TableError, match=r"[01]\.parquet: the column x is "):
            adopt_table(str(project / "parts"), {"nr": "id", "label": "target"}, "t", is_agreed=True)

    def test_the_options_of_an_earlier_table_go(self, project: Path) -> None:
        adopt_content(project, make_csv(["inf"], ";").decode().replace(".", ",").encode())
        settings = (project / "conf" / "param.ini").read_text()
        assert "delimiter=;\ndecimal=,\n# Bad rows: 'x' (1)\non_bad_row=drop\nmax_dropped_share=0.01\n" in settings
        adopt_content(project, make_csv([]), "new.csv")
        assert (project / "conf" / "param.ini").read_text() == f"[core]\n\n{SECTION}\ntable=new.csv\n"


class TestNotes:
    @pytest.mark.parametrize(
        ("rows", "labels", "note"),
        [
            (60, ["a", "b"] * 30, "60 rows are few: LightGBM needs"),
            (300, [*["a", "b"] * 148, *"cccc"], "the class c has 4 rows"),
            (
                300,
                ["a"] * 280 + ["b"] * 20,
                "280 rows are a: add require=balanced_accuracy>0.6",
            ),
        ],
    )
    def test_tell_what_a_gate_cannot(
        self, project: Path, capsys: pytest.CaptureFixture[str], rows: int, labels: list[str], note: str
    ) -> None:
        adopt_content(project, {"nr": list(range(rows)), "x": list(range(rows)), "label": labels}, "t.parquet")
        assert f"note: {note}" in capsys.readouterr().out

    @pytest.mark.parametrize("name", ["", "Unnamed: 0", "__index_level_0__"])
    def test_ask_about_an_index(self, project: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
        schema = adopt_content(
            project, make_csv([]).replace(b"nr,", f"{name},nr,".encode(), 1).replace(b"\n", b"\n0,")[:-2]
        )
        assert f"    # {name!r} is left out: pandas names the numbers of rows so;" in schema
        assert f"alias={name!r}" not in schema
        assert f"note: {name!r}: pandas names the numbers of rows so" in capsys.readouterr().out

    def test_an_index_that_is_asked_for_is_the_id(self, project: Path) -> None:
        path = project / "data.csv"
        path.write_bytes(make_csv([]).replace(b"nr,", b",", 1))
        assert adopt_table(str(path), {"": "id", "label": "target"}, "t", is_agreed=True) == 0
        assert 'pa.Field(unique=True, metadata=ID, alias="")' in (project / SCHEMAS / "t_feature.py").read_text()


@pytest.mark.parametrize(
    ("given", "expected"), [("NR", "nr"), ("nr ", "nr"), ("lable", "label"), ("q", "nr, size, label")]
)
def test_near_names_are_listed(project: Path, given: str, expected: str) -> None:
    with pytest.raises(UsageError, match=f"the table has no column {given}: give --id one of {expected}$"):
        make_files(str(project / "table.csv"), {given: "id", "label": "target"}, "t")


@pytest.mark.parametrize(
    ("keys", "labels", "message"),
    [
        ([1, 1, 2], ["a", "b", "a"], "1 rows have the nr of another row: give --id a unique column"),
        ([1, 2, 3], ["a", "a", "a"], "the target has 1 different values: it must have 2 to 200 classes"),
        ([1, 2, 3], [1.5, 1.5, 1.5], "the target has 1 different values"),
        (list(range(201)), [f"class {number}" for number in range(201)], "the target has 201 different values"),
    ],
)
def test_keys_that_do_not_fit_are_refused(project: Path, keys: list[int], labels: list[Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        adopt_content(project, {"nr": keys, "x": keys, "label": labels}, "t.parquet")


class TestTarget:
    """A float, or an integer with more than twenty values, is a number; an int with few is a class."""

    @pytest.mark.parametrize(
        ("labels", "annotation"),
        [([number / 2 for number in range(240)], "float"), ([number % 21 for number in range(240)], "int")],
    )
    def test_is_a_number(
        self, project: Path, labels: list[Any], annotation: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        (project / "conf" / "param.ini").write_text("[a]\nrequire_acc=0.9\nother=1\n[b]\nrequire_acc : 0.5\n")
        schema = adopt_content(project, {"nr": list(range(240)), "label": labels}, "t.parquet")
        assert f"label: Series[{annotation}] | None = pa.Field(metadata=TARGET)" in schema
        assert "isin" not in schema
        values = len({*labels})
        told = f"note: the target label has {values} different values, so it is a number; if they are classes, list the"
        assert told in capsys.readouterr().out
        settings = (project / "conf" / "param.ini").read_text()
        assert "require_acc" not in settings
        assert "other=1" in settings

    def test_is_a_class(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        (project / "conf" / "param.ini").write_text("[a]\nrequire_acc=0.9\n")
        labels = [number % 20 for number in range(1000)]
        schema = adopt_content(project, {"nr": list(range(1000)), "label": labels}, "t.parquet")
        assert f"isin={list(range(20))}" in schema
        told = "note: the target label has 20 different values, so it is a class; if it is a number, remove the isin of"
        assert told in capsys.readouterr().out
        assert "require_acc=0.9" in (project / "conf" / "param.ini").read_text()

    def test_of_text_says_nothing_of_numbers(self, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
        assert 'isin=["a", "b"]' in adopt_content(
            project, {"nr": list(range(90)), "label": ["a", "b"] * 45}, "t.parquet"
        )
        assert "so it is" not in capsys.readouterr().out


HOSTILE = [
    *("pa", "ID", "TARGET", "Series", "BaseSchema", "float", "str", "int", "class", "None", "validate", "Config"),
    *("a²", "ｶﾞｽ", "列", "列列", "😀", "e\u0301", "ß", "ſ", "K", "Ａ", "A", "Size", "size", "1st", "_", "__init__"),
    *("", " ", "%", "#", "$dollar", "{brace}", "x.y", "x-y", 'quo"te', "it's", "bo\"th'", "back\\slash", "列" * 100),
    *("\x1f", "a\0b", "\u200b", "\u202e", "\u2028", "new\nline", "tab\tbed", "x" * 300, "# noqa"),
]


@pytest.mark.parametrize("values", [HOSTILE[:12], HOSTILE[12:24], HOSTILE[24:36], HOSTILE[36:]])
def test_what_is_written_compiles_and_is_formatted(project: Path, values: list[str]) -> None:
    cells = [values[number % len(values)] for number in range(240)]
    columns = {"nr": list(range(240)), **dict.fromkeys(HOSTILE[::-1], cells), "label": ["a", "b"] * 120}
    schema = adopt_content(project, columns, "t.parquet")
    aliases = {node.value for node in ast.walk(ast.parse(schema)) if isinstance(node, ast.Constant)}
    assert {name for name in HOSTILE if name and not (name.isidentifier() and name.isascii())} <= aliases
    identifiers = [node.target.id for node in ast.walk(ast.parse(schema)) if isinstance(node, ast.AnnAssign)]
    assert len(set(identifiers)) == len(identifiers) == len(HOSTILE) + 1  # The nameless one is an index.
    assert all(map(str.isascii, identifiers))
    ruff = [sys.executable, "-m", "ruff", "format", "--check", "--diff", "--config", str(PROJECT / "pyproject.toml")]
    written = [project / SCHEMAS / "t_feature.py", project / TESTS / "conftest.py"]
    done = subprocess.run([*ruff, *map(str, written)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
