"""The tables of the READMEs are made of what make bench has measured."""

from __future__ import annotations

import json

import pytest
from support.checkout import PROJECT


@pytest.mark.parametrize("readme", ["README.md", "README.ja.md"])
def test_the_tables_are_those_of_the_file(readme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(PROJECT / "benchmark")
    import write_tables

    measured = json.loads((PROJECT / "docs" / "benchmark.json").read_text())["measured"]
    _, _, rest = (PROJECT / readme).read_text().partition(write_tables.START)
    tables, end, _ = rest.partition(write_tables.END)
    assert end
    assert tables == write_tables.make_tables(measured, readme)
