"""The documentation says the same in both languages, and each link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.checkout import PROJECT

DOCS = PROJECT / "docs"
# Each page beside its translation.
PAGES = {PROJECT / "README.md": PROJECT / "README.ja.md"} | {
    path: DOCS / "ja" / path.name for path in sorted(DOCS.glob("*.md"))
}
OTHERS = [PROJECT / name for name in ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")]
ORIGINALS = {translation: page for page, translation in PAGES.items()}


def find_headings(path: Path) -> list[str]:
    """The level of each heading."""
    return re.findall(r"^(#+) ", without_code(path), re.MULTILINE)


def find_blocks(path: Path) -> list[tuple[str, list[str]]]:
    """The language and the lines of each block of code, without comments."""
    blocks = re.findall(r"^```(\w+)\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)
    return [
        (language, [re.sub(r"(^|\s+)# .*", "", line) for line in block.splitlines() if not line.startswith("# ")])
        for language, block in blocks
    ]


def find_tables(path: Path) -> list[list[list[str]]]:
    """What is code or a figure in each row of each table: it is the same in any language, but for its order."""
    tables = re.findall(r"(?:^\|.*\n)+", path.read_text(), re.MULTILINE)
    return [
        [sorted(re.findall(r"`[^`]+`|(?<![\w-])\d+(?:[.,]\d+)*", row)) for row in table.splitlines()]
        for table in tables
    ]


def find_links(path: Path) -> list[str | Path]:
    """Where the links lead to; a translation stands for its original."""
    links = re.findall(r"\]\(([^)#]*)", without_code(path))
    files = {link if "://" in link else (path.parent / link).resolve() if link else path for link in links}
    return sorted({ORIGINALS.get(file, file) for file in files}, key=str)


def find_anchors(path: Path) -> list[tuple[Path, str]]:
    """The headings that the links name, each with its page."""
    links = re.findall(r"\]\(([^)#]*)#([^)]+)\)", without_code(path))
    return [((path.parent / link).resolve() if link else path, anchor) for link, anchor in links]


def make_anchors(path: Path) -> list[str]:
    """The headings of a page as links name them."""
    titles = re.findall(r"^#+ (.+)$", without_code(path), re.MULTILINE)
    return [re.sub(r"[^\w -]", "", title.replace("`", "")).lower().replace(" ", "-") for title in titles]


def without_code(path: Path) -> str:
    return re.sub(r"(?s)```.*?```", "", path.read_text())


@pytest.mark.parametrize("find", [find_headings, find_blocks, find_tables, find_links])
@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_both_languages_say_the_same(page: Path, find) -> None:
    english, japanese = find(page), find(PAGES[page])

    for one, other in zip(english, japanese, strict=False):
        assert one == other
    assert len(english) == len(japanese)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.stem)
def test_a_link_names_the_same_heading_in_both_languages(page: Path) -> None:
    places = [
        [(ORIGINALS.get(file, file), make_anchors(file).index(anchor)) for file, anchor in find_anchors(path)]
        for path in (page, PAGES[page])
    ]

    assert sorted(places[0]) == sorted(places[1])


@pytest.mark.parametrize("page", [*PAGES, *ORIGINALS, *OTHERS], ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_files_and_headings_that_are_named_are_there(page: Path) -> None:
    for link in find_links(page):
        assert isinstance(link, str) or link.exists(), link
    for file, anchor in find_anchors(page):
        assert anchor in make_anchors(file)


def test_the_readme_can_be_read_in_a_few_minutes() -> None:
    assert len((PROJECT / "README.md").read_text().split()) <= 1000
