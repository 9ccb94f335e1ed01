"""The tables of docs/ are made of what make bench has measured."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
from support.checkout import PROJECT


@pytest.mark.parametrize("page", ["docs/benchmarks-and-faults.md", "docs/ja/benchmarks-and-faults.md"])
def test_the_tables_are_those_of_the_file(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT / "benchmark")
    import write_tables

    measured = json.loads((PROJECT / "docs" / "benchmark.json").read_text())["measured"]
    _, _, rest = (PROJECT / page).read_text().partition(write_tables.START)
    tables, end, _ = rest.partition(write_tables.END)
    assert end
    assert tables == write_tables.make_tables(measured, page)


@pytest.mark.parametrize("script", sorted((PROJECT / "benchmark").glob("*.py")), ids=lambda path: path.stem)
def test_what_one_script_imports_from_another_is_there(script: Path) -> None:
    """Some of them need packages that only the environment of the benchmark has."""
    for node in ast.walk(ast.parse(script.read_text())):
        if isinstance(node, ast.ImportFrom) and (other := script.with_name(f"{node.module}.py")).exists():
            words = other.read_text()
            for alias in node.names:
                assert re.search(rf"(?m)^(def |class )?{alias.name}\b", words), f"{other.name} has no {alias.name}"
