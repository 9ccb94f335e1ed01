"""A Dask cluster of real processes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path

from support.checkout import Checkout

DASK = str(Path(sys.executable).with_name("dask"))


def launch(checkout: Checkout, mark: str, *arguments: str, **variables: str) -> tuple[subprocess.Popen[str], str]:
    """Start a process that imports the code of a checkout; return it and the line with which it says that it works."""
    process = subprocess.Popen(
        [DASK, *arguments, "--host", "127.0.0.1"],
        cwd=checkout.directory,
        env={**checkout.environment, "PYTHONPATH": str(checkout.directory), **variables},
        stderr=subprocess.PIPE,
        text=True,
    )
    seen: deque[str] = deque(maxlen=30)
    for line in process.stderr:
        seen.append(line)
        if mark in line:
            # It would wait for a reader of what it says later.
            threading.Thread(target=deque, args=(process.stderr, 0), daemon=True).start()
            return process, line
    raise OSError(f"{arguments[0]} does not start: {''.join(seen)}")


class Cluster:
    """A scheduler, and the workers that a test wants."""

    def __init__(self, checkout: Checkout, scheduler: subprocess.Popen[str], address: str) -> None:
        self._checkout = checkout
        self.scheduler = scheduler
        self.address = address
        self.workers: list[subprocess.Popen[str]] = []

    def add_worker(self, *options: str, checkout: Checkout | None = None, **variables: str) -> subprocess.Popen[str]:
        """Start a worker with one thread; it has registered when this returns."""
        where = checkout or self._checkout
        command = [
            "worker",
            self.address,
            "--nthreads",
            "1",
            "--no-dashboard",
            "--local-directory",
            str(where.directory),
        ]
        worker, _ = launch(where, "Registered to:", *command, *(options or ["--no-nanny"]), **variables)
        self.workers.append(worker)
        return worker

    def have_workers(self, number: int) -> None:
        """Have a number of workers that live, and are like the driver."""
        self.workers = [worker for worker in self.workers if worker.poll() is None]
        while len(self.workers) > number:
            self.end(self.workers[-1])
        while len(self.workers) < number:
            self.add_worker()

    def end(self, worker: subprocess.Popen[str]) -> None:
        """Kill a worker."""
        worker.kill()
        worker.wait()
        self.workers.remove(worker)


@contextlib.contextmanager
def clustering(checkout: Checkout, *options: str) -> Iterator[Cluster]:
    """Have a scheduler run for as long as the context lasts."""
    command = ("scheduler", "--port", "0", "--no-dashboard", "--no-jupyter", *options)
    scheduler, line = launch(checkout, "Scheduler at:", *command)
    cluster = Cluster(checkout, scheduler, line.split()[-1])
    try:
        yield cluster
    finally:
        # A worker that is told to end may wait for a scheduler that has ended; that of a nanny ends with it.
        for process in (*cluster.workers, scheduler):
            process.kill()
            process.wait()
