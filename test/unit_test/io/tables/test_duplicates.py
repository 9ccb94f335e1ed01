from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gokart_pipeline_sample.io.tables import duplicates
from gokart_pipeline_sample.io.tables.duplicates import find_duplicates, get_bounds, increase


class Pieces:
    """Values in pieces, which counts how often they are read."""

    def __init__(self, *pieces: list[Any], dtype: str = "int64") -> None:
        self.pieces = [pd.Series(piece, dtype=dtype) for piece in pieces]
        self.reads = 0

    def read(self) -> Iterator[pd.Series[Any]]:
        self.reads += 1
        yield from self.pieces


@pytest.fixture(params=["true hashes", "colliding hashes"])
def _hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "colliding hashes":
        monkeypatch.setattr(duplicates, "_hash", lambda values: pd.Series(2**64 - 1, values.index, np.uint64))


class TestFindDuplicates:
    @pytest.mark.parametrize(
        "pieces",
        [
            pytest.param(Pieces([1, 2], [3, 5], [2**62]), id="integers"),
            pytest.param(Pieces(["a", "aa"], ["b"], dtype="str"), id="text"),
            pytest.param(Pieces([], [1], [], [2, 3], []), id="empty pieces"),
            pytest.param(Pieces([]), id="no values"),
            pytest.param(Pieces(), id="no pieces"),
        ],
    )
    def test_increase_is_seen_in_the_bounds_of_the_pieces(self, pieces: Pieces) -> None:
        assert increase(get_bounds(piece) for piece in pieces.pieces)
        assert find_duplicates(pieces.read).tolist() == []
        assert pieces.reads == 1

    @pytest.mark.usefixtures("_hashes")
    @pytest.mark.parametrize(
        "pieces",
        [
            pytest.param(Pieces([3, 1, 2]), id="in a piece"),
            pytest.param(Pieces([3, 4], [1, 2]), id="from piece to piece"),
            pytest.param(Pieces(["b", "a"], ["aa"], dtype="str"), id="text"),
            pytest.param(Pieces([2**53 + 1, 2**53]), id="large integers"),
        ],
    )
    def test_finds_none_among_different_values_in_any_order(self, pieces: Pieces) -> None:
        assert find_duplicates(pieces.read).tolist() == []

    @pytest.mark.usefixtures("_hashes")
    @pytest.mark.parametrize(
        ("pieces", "expected"),
        [
            pytest.param(Pieces([1, 1, 2]), [1], id="side by side"),
            pytest.param(Pieces([1, 2], [2, 3]), [2], id="at the border of two pieces"),
            pytest.param(Pieces([1, 2], [], [2, 3]), [2], id="around an empty piece"),
            pytest.param(Pieces([5, 1], [2, 3], [4, 5]), [5], id="far from each other"),
            pytest.param(Pieces([7, 7], [7], [7, 7]), [7], id="more than twice"),
            pytest.param(Pieces([-1, 0], [0, -1], [2**63 - 1, 2**63 - 1]), [-1, 0, 2**63 - 1], id="several"),
            pytest.param(Pieces(["b", "a"], ["", "b"], ["ü", "ü", ""], dtype="str"), ["", "b", "ü"], id="text"),
        ],
    )
    def test_gives_each_value_that_occurs_more_than_once(self, pieces: Pieces, expected: list[object]) -> None:
        assert sorted(find_duplicates(pieces.read).tolist()) == expected

    def test_reads_twice_at_most(self) -> None:
        pieces = Pieces([5, 1], [2, 3], [4, 5])
        find_duplicates(pieces.read)
        assert pieces.reads == 2

    @pytest.mark.usefixtures("_hashes")
    @pytest.mark.parametrize("seed", range(5))
    @pytest.mark.parametrize("convert", [int, str], ids=["integers", "text"])
    def test_finds_what_pandas_finds(self, seed: int, convert: Callable[[int], object]) -> None:
        random = np.random.default_rng(seed)
        values = pd.Series([convert(value) for value in random.integers(0, 3000, size=1000)])
        edges = sorted(random.integers(0, len(values) + 1, size=6))
        pieces = [values[start:end] for start, end in zip([0, *edges], [*edges, len(values)], strict=True)]
        found = find_duplicates(lambda: iter(pieces)).tolist()
        assert len(found) > 50
        assert sorted(found) == sorted(values[values.duplicated()].unique())
