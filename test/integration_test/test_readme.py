"""What the documentation shows is what the commands print."""

from __future__ import annotations

import re

from support.batch import RUN_BATCH, make_flowers
from support.checkout import PROJECT, Checkout


def test_the_diagrams_are_those_of_the_plan(checkout: Checkout) -> None:
    table = checkout.directory / "table.csv"
    make_flowers(1).to_csv(table, index=False)

    for task, *pages in [
        ((), "README.md", "README.ja.md"),
        ((*RUN_BATCH, "--table", str(table)), "docs/scoring.md", "docs/ja/scoring.md"),
    ]:
        drawn = checkout.main("--plan", "--mermaid", *task).stdout

        for page in pages:
            assert re.findall(r"(?ms)^```mermaid\n(.*?)^```$", (PROJECT / page).read_text()) == [drawn], page
