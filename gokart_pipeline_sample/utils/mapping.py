"""Call a function for each piece of some work, in threads of this process or elsewhere."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import Any, TypeVar

Shared = TypeVar("Shared")
Piece = TypeVar("Piece")
Result = TypeVar("Result")

# Seconds between two looks at workers that have no result yet.
POLL_SECONDS = 1.0
# One thread puts a part while the other one scores the next.
THREADS = 2


class Workers:
    """Threads of this process, to which functions are submitted; ``limit`` pieces are in memory at a time."""

    # Whether they are other processes, which only know of this machine's files what they are sent.
    are_elsewhere = False

    def __init__(self, submit: Callable[..., Future[Any]], limit: int) -> None:
        self._submit, self._limit = submit, limit

    def map(
        self, function: Callable[[Shared, Piece], Result], shared: Shared, pieces: Iterable[Piece]
    ) -> Iterator[tuple[int, Result]]:
        """Call a function of a module with what it needs for every piece and with each piece.

        Yields:
            The number of each piece, counted from 0, and its result, in the order in which results arrive; a piece is
            taken when there is room for it.

        Raises:
            ClusterError: the workers are lost.
            Exception: what the function raises for any of the pieces.
        """
        shared, remaining = self._share(shared), enumerate(pieces)
        waiting: dict[Future[Result], int] = {}
        while True:
            for number, piece in itertools.islice(remaining, max(0, self._limit - len(waiting))):
                waiting[self._submit(function, shared, piece)] = number
            if not waiting:
                return
            for future in wait(waiting, POLL_SECONDS, FIRST_COMPLETED).done:
                yield waiting.pop(future), future.result()
            self._look_after()

    def _share(self, value: Any) -> Any:
        return value

    def _look_after(self) -> None:
        """Raise an error if no work is done any more."""


@contextlib.contextmanager
def starting_threads() -> Iterator[Workers]:
    """Provide the workers of this process; an error or a signal drops the pieces that no thread has begun."""
    with ThreadPoolExecutor(THREADS) as executor:
        try:
            # One more piece is ready for the thread that is done first.
            yield Workers(executor.submit, THREADS + 1)
        finally:
            executor.shutdown(wait=False, cancel_futures=True)
