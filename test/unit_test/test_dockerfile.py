"""The Dockerfile builds what the Makefile builds."""

from __future__ import annotations

import re

from support.checkout import PROJECT, SOURCES

DOCKERFILE = (PROJECT / "Dockerfile").read_text()


def test_uses_the_same_tools() -> None:
    def find(text: str) -> set[str]:
        return set(re.findall(r"(?:uv|poetry(?:-plugin-export)?)==[\d.]+", text))

    assert len(find(DOCKERFILE)) == 3
    assert find(DOCKERFILE) == find((PROJECT / "Makefile").read_text())


def test_copies_all_that_a_run_needs_and_its_context_has_it() -> None:
    copied = {name for name in SOURCES if re.search(rf"^COPY {name} /app/", DOCKERFILE, re.MULTILINE)}
    assert copied == set(SOURCES)
    context = (PROJECT / ".dockerignore").read_text().splitlines()
    assert {f"!{name}" for name in (*SOURCES, "poetry.lock", "pyproject.toml")} <= set(context)
