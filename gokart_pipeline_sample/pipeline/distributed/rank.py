"""A rank: one of the processes that train a model together, each on its own rows."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, NamedTuple, cast

import pandas as pd

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor
from gokart_pipeline_sample.pipeline.distributed.split_pieces import Rows, TableSplit
from gokart_pipeline_sample.pipeline.model.boosting import boost, make_datasets
from gokart_pipeline_sample.utils.mapping import POLL_SECONDS

# Lines of a model's text that differ between ranks.
_NETWORK = re.compile(r"^\[(machines|local_listen_port): .*\]\n", re.MULTILINE)


class RankJob(NamedTuple):
    """The pieces whose training rows are those of a rank, and what each rank has: all validation rows, to stop in step.

    The parameters are those of LightGBM, and ``num_boost_round``.
    """

    split: TableSplit
    pieces: list[range]
    valid: Rows
    parameters: dict[str, Any]


def find_port(_: None) -> int:
    """Return a free port of this machine."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def run_rank(job: RankJob) -> dict[str, Any]:
    """Train on a Dask worker, in a child process, because LightGBM ends its process when another rank is lost.

    Returns:
        The text of the ``model``, which all ranks have, and the ``curve`` of the losses.

    Raises:
        ClusterError: the child has ended early, or the driver is gone; there is no child any more then.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    with tempfile.TemporaryDirectory(dir=worker.local_directory) as name:
        folder = Path(name)
        for number, piece in enumerate(job.pieces):
            job.split.read(piece)[0].to_parquet(folder / f"train-{number:05d}.parquet")
        job.valid.to_parquet(folder / "valid.parquet")
        (folder / "parameters.json").write_text(json.dumps(job.parameters))
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
        with subprocess.Popen([sys.executable, "-m", __name__, name], env=environment, stdin=subprocess.PIPE) as child:
            try:
                while child.poll() is None:
                    task = worker.state.tasks.get(key)
                    if task is None or task.state != "executing":
                        raise ClusterError("the driver does not wait for the model any more")
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        child.wait(POLL_SECONDS)
            finally:
                child.kill()
        if child.returncode:
            raise ClusterError("a rank of the training has ended early: see the log of its Dask worker, and run again")
        trained: dict[str, Any] = json.loads((folder / "trained.json").read_text())
    return trained


def main(folder: Path) -> None:
    """Train on the rows in a folder, together with the other ranks, and write the result there."""
    threading.Thread(target=_end_with_worker, daemon=True).start()
    train, valid = (
        cast("Rows", pd.concat(map(pd.read_parquet, sorted(folder.glob(f"{part}*.parquet"))), ignore_index=True))
        for part in ("train", "valid")
    )
    parameters = json.loads((folder / "parameters.json").read_text())
    booster, curve = boost(*make_datasets(train, valid, {}, "none"), parameters.pop("num_boost_round"), parameters)
    model = _NETWORK.sub("", LightGBMModelProcessor().serialize(booster).decode())
    (folder / "trained.json").write_text(json.dumps({"model": model, "curve": curve}))


def _end_with_worker() -> None:
    """End this process when the worker, which keeps the other end open, has ended."""
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
