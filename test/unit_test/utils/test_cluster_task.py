from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Iterator

import pytest

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.utils.cluster_task import (
    connecting,
    describe_process,
    require_likeness,
    starting_threads,
)


def test_a_process_is_like_itself() -> None:
    described = describe_process(ScoreTableTask)
    assert {"Python", "lightgbm", "pandas", "pyarrow", "pandera", "numpy", "the code", "the S3"} <= described.keys()
    require_likeness(described, ScoreTableTask, "")


def test_differences_are_named() -> None:
    described = describe_process(ScoreTableTask)
    expected = {**described, "pandas": "1.0", "the code": "0"}
    with pytest.raises(ClusterError) as caught:
        require_likeness(expected, ScoreTableTask, "")
    assert str(caught.value) == (
        f"a Dask worker has pandas {described['pandas']} instead of 1.0, "
        f"the code {described['the code']} instead of 0: "
        "give scheduler and workers the environment of this run, and restart them after a change"
    )


def test_the_scheduler_may_have_another_s3() -> None:
    expected = {**describe_process(ScoreTableTask), "the S3": "https://s3.example"}
    require_likeness(expected, ScoreTableTask, "a bucket", on_scheduler=True)
    with pytest.raises(ClusterError, match=r"a Dask worker has the S3 \S+ instead of https://s3\.example: give"):
        require_likeness(expected, ScoreTableTask, "")


def test_the_embedded_s3_is_named_as_the_reason() -> None:
    expected = {**describe_process(ScoreTableTask), "the S3": "http://127.0.0.1:8333"}
    with pytest.raises(ClusterError, match="the embedded S3 serves this machine alone: set BUCKET_NAME"):
        require_likeness(expected, ScoreTableTask, "")


def test_a_notebook_has_a_loop_that_runs() -> None:
    async def connect() -> None:
        with connecting("tcp://127.0.0.1:1", 1, ScoreTableTask, ""):
            pass

    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers: correct dask_sch"):
        asyncio.run(connect())


def add(number: int, piece: int) -> int:
    return number + piece


def test_calls_the_function_for_each_piece() -> None:
    with starting_threads() as workers:
        assert sorted(workers.map(functools.partial(add, 100), range(50))) == [
            (number, number + 100) for number in range(50)
        ]


def test_does_nothing_without_pieces() -> None:
    with starting_threads() as workers:
        assert list(workers.map(functools.partial(add, 100), [])) == []


def test_takes_a_piece_only_when_there_is_room_for_it() -> None:
    taken: list[int] = []
    release = threading.Semaphore(0)

    def take() -> Iterator[int]:
        for piece in range(9):
            taken.append(piece)
            yield piece

    def hold(piece: int) -> int:
        assert release.acquire(timeout=60)
        return piece

    with starting_threads() as workers:
        results = workers.map(hold, take())
        for done in range(9):
            release.release()
            next(results)
            assert len(taken) <= done + 3
        assert list(results) == []


def test_raises_what_the_function_raises_and_drops_the_other_pieces() -> None:
    called: list[int] = []

    def fail(piece: int) -> None:
        called.append(piece)
        raise ValueError(f"piece {piece}")

    with pytest.raises(ValueError, match="piece"), starting_threads() as workers:
        list(workers.map(fail, range(50)))
    assert len(called) <= 3


def test_raises_what_goes_wrong_with_the_pieces() -> None:
    def take() -> Iterator[int]:
        yield 1
        raise OSError("the table ends here")

    with pytest.raises(OSError, match="ends here"), starting_threads() as workers:
        list(workers.map(functools.partial(add, 0), take()))
