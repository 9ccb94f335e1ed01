from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from gokart_pipeline_sample.utils.mapping import starting_threads


def add(shared: int, piece: int) -> int:
    return shared + piece


def test_calls_the_function_for_each_piece() -> None:
    with starting_threads() as workers:
        assert sorted(workers.map(add, 100, range(50))) == [(number, number + 100) for number in range(50)]


def test_does_nothing_without_pieces() -> None:
    with starting_threads() as workers:
        assert list(workers.map(add, 100, [])) == []


def test_takes_a_piece_only_when_there_is_room_for_it() -> None:
    taken: list[int] = []
    release = threading.Semaphore(0)

    def take() -> Iterator[int]:
        for piece in range(9):
            taken.append(piece)
            yield piece

    def hold(_shared: None, piece: int) -> int:
        assert release.acquire(timeout=5)
        return piece

    with starting_threads() as workers:
        results = workers.map(hold, None, take())
        for done in range(9):
            release.release()
            next(results)
            assert len(taken) <= done + 3
        assert list(results) == []


def test_raises_what_the_function_raises_and_drops_the_other_pieces() -> None:
    called: list[int] = []

    def fail(_shared: None, piece: int) -> None:
        called.append(piece)
        raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match="piece"), starting_threads() as workers:
        list(workers.map(fail, None, range(50)))
    assert len(called) <= 3


def test_raises_what_goes_wrong_with_the_pieces() -> None:
    def take() -> Iterator[int]:
        yield 1
        raise OSError("the table ends here")

    with pytest.raises(OSError, match="ends here"), starting_threads() as workers:
        list(workers.map(add, 0, take()))
