from __future__ import annotations

import pytest

from pipeline_runner.new_table import set_table

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
