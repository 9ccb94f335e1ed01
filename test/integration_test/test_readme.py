"""What the READMEs show is what the commands print."""

from __future__ import annotations

import re

from support.batch import RUN_BATCH, make_flowers
from support.checkout import PROJECT, Checkout


def test_the_diagrams_are_those_of_the_plan(checkout: Checkout) -> None:
    table = checkout.directory / "table.csv"
    make_flowers(1).to_csv(table, index=False)

    drawn = [checkout.main("--plan", "--mermaid", *task) for task in ((), (*RUN_BATCH, "--table", str(table)))]

    for readme in ("README.md", "README.ja.md"):
        text = (PROJECT / readme).read_text()
        shown = re.findall(r"^```mermaid\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
        assert shown == [run.stdout for run in drawn]
