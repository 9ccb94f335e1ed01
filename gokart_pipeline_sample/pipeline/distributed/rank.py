"""A rank: one of the processes that train a model together, each on its own rows."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any

import pandas as pd

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor
from gokart_pipeline_sample.pipeline.distributed.split_pieces import Rows, TableSplit
from gokart_pipeline_sample.pipeline.model.boosting import boost, make_datasets
from gokart_pipeline_sample.utils.mapping import POLL_SECONDS

# LightGBM waits for the other ranks for so many minutes; the driver gives up a lost rank before.
_TIME_OUT = 1
# Lines of a model's text that differ between ranks.
_NETWORK = re.compile(r"^\[(machines|local_listen_port): .*\]\n", re.MULTILINE)
_CHILD = "from gokart_pipeline_sample.pipeline.distributed.rank import main; main()"


@dataclass(frozen=True)
class RankJob:
    """The work of a rank.

    Args:
        split: the table.
        pieces: the pieces of it whose training rows are those of this rank.
        valid: all validation rows, so that all ranks stop in the same round.
        parameters: parameters of LightGBM, and ``num_boost_round``.
        machines: address and port of each rank.
        port: the port of this rank.
    """

    split: TableSplit
    pieces: list[range]
    valid: Rows
    parameters: dict[str, Any]
    machines: list[str]
    port: int

    def train(self) -> dict[str, Any]:
        """Train with the other ranks; return the text of the model, which they have, too, and the learning curve."""
        train = pd.concat([self.split.read(piece)[0] for piece in self.pieces], ignore_index=True)
        datasets = make_datasets(train, self.valid, {}, "none")
        network: dict[str, str | float] = {
            "tree_learner": "data",
            "pre_partition": True,
            "num_machines": len(self.machines),
            "machines": ",".join(self.machines),
            "local_listen_port": self.port,
            "time_out": _TIME_OUT,
        }
        parameters = {name: value for name, value in self.parameters.items() if name != "num_boost_round"}
        alone = {} if len(self.machines) == 1 else network
        booster, curve = boost(*datasets, self.parameters["num_boost_round"], parameters | alone)
        text = LightGBMModelProcessor().serialize(booster).decode()
        return {"model": _NETWORK.sub("", text), "curve": curve}


def find_ports(count: int) -> list[int]:
    """Return free ports of this machine."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in sockets]


def run_ranks(jobs: list[RankJob]) -> list[dict[str, Any]]:
    """Run ranks on a Dask worker, each in a child process: LightGBM ends its process when another rank is lost.

    Raises:
        ClusterError: a rank ended early, or the driver is gone; all ranks of this worker have ended then.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    with contextlib.ExitStack() as stack:
        readers = stack.enter_context(ThreadPoolExecutor(len(jobs)))
        children = [stack.enter_context(_starting(job)) for job in jobs]
        reading: list[Future[bytes]] = [readers.submit(child.stdout.read) for child in children if child.stdout]
        waiting = set(reading)
        while waiting:
            done, waiting = wait(waiting, POLL_SECONDS, FIRST_COMPLETED)
            task = worker.state.tasks.get(key)
            if task is None or task.state != "executing":
                raise ClusterError("the driver does not wait for the model any more")
            if any(not future.result() for future in done):
                raise ClusterError("a rank of the training has ended early: see the log of its Dask worker")
        return [json.loads(future.result()) for future in reading]


@contextlib.contextmanager
def _starting(job: RankJob) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", _CHILD]
    with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        try:
            if child.stdin:
                pickle.dump(job, child.stdin)
                child.stdin.flush()
            yield child
        finally:
            child.kill()


def main() -> None:
    """Be a rank: read the job from stdin, and write the result to stdout as JSON."""
    output = os.fdopen(os.dup(1), "w")
    # LightGBM writes to stdout, too.
    os.dup2(2, 1)
    job: RankJob = pickle.load(sys.stdin.buffer)  # noqa: S301 - the Dask worker wrote it
    threading.Thread(target=_end_with_worker, daemon=True).start()
    with output:
        json.dump(job.train(), output)
    os._exit(0)


def _end_with_worker() -> None:
    """End this process when the worker, which keeps the other end open, has ended."""
    os.read(0, 1)
    os._exit(1)
