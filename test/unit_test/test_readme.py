"""README.ja.md says what README.md says: the same commands, and the same rows in its tables."""

from __future__ import annotations

import re

import pytest
from support.checkout import PROJECT

ENGLISH, JAPANESE = ((PROJECT / name).read_text() for name in ("README.md", "README.ja.md"))


def find_blocks(text: str) -> list[tuple[str, list[str]]]:
    """The language and the lines of each block of code, without comments."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [
        (language, [re.sub(r"(^|\s+)# .*", "", line) for line in block.splitlines() if not line.startswith("# ")])
        for language, block in blocks
    ]


def find_tables(text: str) -> list[list[list[str]]]:
    """What is code or a figure in each row of each table: it is the same in any language, but for its order."""
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    return [
        [sorted(re.findall(r"`[^`]+`|(?<![\w-])\d+(?:[.,]\d+)*", row)) for row in table.splitlines()]
        for table in tables
    ]


def find_links(text: str) -> list[str]:
    return sorted(set(re.findall(r"\]\(([^)#]+)\)", text)) - {"README.md", "README.ja.md"})


@pytest.mark.parametrize("find", [find_blocks, find_tables, find_links])
def test_both_say_the_same(find) -> None:
    english, japanese = find(ENGLISH), find(JAPANESE)

    assert english
    for one, other in zip(english, japanese, strict=False):
        assert one == other
    assert len(english) == len(japanese)


def test_both_have_the_same_sections() -> None:
    english, japanese = (
        re.findall(r"^(#+) ", re.sub(r"(?s)```.*?```", "", text), re.MULTILINE) for text in (ENGLISH, JAPANESE)
    )

    assert english == japanese


def test_files_that_are_named_are_there() -> None:
    for link in find_links(ENGLISH):
        assert link.startswith("http") or (PROJECT / link).exists(), link
