from __future__ import annotations

import ast
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline_runner.new_table import make_files, set_table

SECTION = "[gokart_pipeline_sample.LoadDataTask]"


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
