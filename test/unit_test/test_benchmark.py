"""The tables of docs/ are made of what make bench has measured."""

from __future__ import annotations

import json

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
