"""Threads of the libraries that compute with OpenMP, such as LightGBM and scikit-learn."""

import os
import sys
from contextlib import AbstractContextManager
from typing import Any

_CELLS_PER_THREAD = 100_000  # With fewer, threads wait for each other longer than a second one computes.
_stale_processes = set[int]()


def _note_fork() -> None:
    """Note that the threads which OpenMP may have started are not there any more, although it counts on them."""
    if "lightgbm" in sys.modules:
        _stale_processes.add(os.getpid())


os.register_at_fork(after_in_child=_note_fork)


def count_threads(wanted: int = 0, cells: int | None = None) -> int:
    """Return how many threads to start: so many, or by default those that this process may use.

    The latter are those of ``OMP_NUM_THREADS``, or else of its CPU affinity and the CPU quota of its container, and
    fewer for a table of few cells. A fork of a process that has used OpenMP may start none: it gets 1.
    """
    import joblib

    if os.getpid() in _stale_processes:
        return 1
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    usable = int(given) if given.isdecimal() and int(given) else int(joblib.cpu_count())
    return wanted or max(1, usable if cells is None else min(usable, cells // _CELLS_PER_THREAD))


def limiting_threads(threads: int) -> AbstractContextManager[Any]:
    """Let OpenMP start at most so many threads for what the current thread computes in the context.

    That is said to libraries which are loaded, and not by a parameter of LightGBM, which its models would contain.
    """
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[Any] = threadpool_limits(threads, user_api="openmp")
    return limits


def settle_fork() -> None:
    """Let OpenMP start no thread in a fork of a process that has used it: OpenMP would wait for ever."""
    if os.getpid() in _stale_processes:
        limiting_threads(1)
