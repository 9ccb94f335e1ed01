"""Threads of the libraries that compute with OpenMP, such as LightGBM and scikit-learn."""

import functools
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

_CELLS_PER_THREAD = 100_000  # With fewer, threads wait for each other longer than a second one computes.
_forks_of_users = set[int]()  # OpenMP would wait for ever for its threads, which are not in a fork of their process.
os.register_at_fork(after_in_child=lambda: _forks_of_users.update([os.getpid()] if "lightgbm" in sys.modules else []))


def count_threads(wanted: int = 0, cells: int | None = None) -> int:
    """Return how many threads to start: those that are wanted, or by default that this process may use.

    The latter are those of ``OMP_NUM_THREADS``, or else of its CPU affinity and the CPU quota of its container, and
    fewer for a table of few cells. A fork of a process that has used OpenMP may start none: it gets 1.
    """
    import joblib

    if os.getpid() in _forks_of_users:
        return 1
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    usable = int(given) if given.isdecimal() and int(given) else int(joblib.cpu_count())
    return wanted or max(1, usable if cells is None else min(usable, cells // _CELLS_PER_THREAD))


def limit_threads(threads: int) -> Any:
    """Let OpenMP start so many threads for this thread, until the context manager that is returned exits, if it does.

    That is no parameter of LightGBM, which its models would contain; LightGBM must be imported before.
    """
    return _find_pools().limit(limits=threads, user_api="openmp")


@functools.cache
def _find_pools() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def call_interruptibly(threads: int, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """Call a function in a thread of its own, for which OpenMP starts so many; a signal interrupts the wait at once.

    Python handles signals between two steps of the main thread, but not within a call of LightGBM, which may take
    minutes. After an interrupt, the function goes on until it returns, or the process ends.
    """
    executor = ThreadPoolExecutor(1, initializer=limit_threads, initargs=(threads,))
    try:
        return executor.submit(function, *arguments, **options).result()
    finally:
        executor.shutdown(wait=False)


def settle_fork() -> None:
    """Let OpenMP start no threads in a process for which it would wait for ever."""
    if os.getpid() in _forks_of_users:
        limit_threads(1)
