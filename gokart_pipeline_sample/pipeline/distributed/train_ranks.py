"""Train the model on several machines, by a process on each: a rank, as LightGBM calls it."""

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
from typing import Any, cast
from urllib.parse import urlsplit

import gokart
import luigi
import pandas as pd
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor, set_learning_curve
from gokart_pipeline_sample.pipeline.distributed.split_pieces import Rows, SplitPiecesTask, TableSplit
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.model.boosting import boost, make_datasets
from gokart_pipeline_sample.utils.cluster_task import ClusterTask
from gokart_pipeline_sample.utils.dask_workers import DaskWorkers
from gokart_pipeline_sample.utils.mapping import POLL_SECONDS

# LightGBM waits for the other ranks for so many minutes, twice.
_NETWORK = {"tree_learner": "data", "pre_partition": True, "time_out": 1}
# Lines of a model's text that differ between ranks.
_OWN_LINES = re.compile(r"^\[(machines|local_listen_port): .*\]\n", re.MULTILINE)


class TrainRanksTask(ClusterTask[Booster]):
    """Outputs a LightGBM booster that several ranks have trained, each on its own worker and pieces of the table."""

    split_task: gokart.TaskInstanceParameter[SplitPiecesTask] = gokart.TaskInstanceParameter(
        description="Task that splits the table."
    )
    parameters: luigi.DictParameter = luigi.DictParameter(description="The parameters of TrainTask.")
    ranks: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=2,
        var_type=int,
        min_value=1,
        max_value=1000,
        description="Number of Dask workers that train the model, each on its own rows; it changes the model.",
    )

    def requires(self) -> FlattenableItems[gokart.TaskOnKart[Any]]:
        """Require the validation rows, which each rank needs."""
        return {"valid": GetDataTask(data_task=self.split_task, name="valid")}

    def output(self) -> TargetOnKart:
        """Return the model's file, in LightGBM's text format; the losses of training in it are of one rank."""
        return self.make_target("TrainRanksTask.txt", processor=LightGBMModelProcessor())

    def run(self) -> None:
        """Train the model and save it with its learning curve."""
        split, valid = self.split_task.describe(), self.load("valid")
        pieces = split.list_pieces()
        if len(pieces) < self.ranks:
            raise ValueError(f"the table has {len(pieces)} pieces for {self.ranks} ranks: set fewer ranks")
        parameters = {name: value for name, value in self.parameters.items() if name != "class_weight"}
        with self.start_workers() as workers:
            if not isinstance(workers, DaskWorkers):
                raise ClusterError("a model is trained in ranks on a Dask cluster alone: set dask_scheduler")
            addresses = workers.wait_for_addresses(self.ranks)
            ports = dict(zip(addresses, workers.call_together(find_port, dict.fromkeys(addresses, ())), strict=True))
            if self.ranks > 1:
                machines = ",".join(f"{urlsplit(address).hostname}:{port}" for address, port in ports.items())
                parameters |= {**_NETWORK, "num_machines": self.ranks, "machines": machines}
            jobs = {
                address: (split, pieces[rank :: self.ranks], valid, {**parameters, "local_listen_port": port})
                for rank, (address, port) in enumerate(ports.items())
            }
            trained = workers.call_together(run_rank, jobs)
        if len({each["model"] for each in trained}) != 1:
            raise ClusterError("the ranks have different models: look whether their LightGBM is the same")
        model = LightGBMModelProcessor().deserialize(trained[0]["model"].encode())
        set_learning_curve(model, trained[0]["curve"])
        self.dump(model)


def find_port() -> int:
    """Return a free port of this machine."""
    with socket.create_server(("", 0)) as server:
        return int(server.getsockname()[1])


def run_rank(split: TableSplit, pieces: list[range], valid: Rows, parameters: dict[str, Any]) -> dict[str, Any]:
    """Train on the training rows of some pieces, on a Dask worker, together with the other ranks.

    A child process does it, because LightGBM ends its process when another rank is lost. Each rank has all validation
    rows, so that all stop in the same round, with the same ``model``; the losses in ``curve`` are those of this rank.

    Raises:
        ClusterError: the child has ended early, or the driver is gone; there is no child any more then.
    """
    from distributed import get_worker

    worker = get_worker()
    key = worker.get_current_task()
    with tempfile.TemporaryDirectory(dir=worker.local_directory) as name:
        folder = Path(name)
        for number, piece in enumerate(pieces):
            split.read(piece)[0].to_parquet(folder / f"train-{number:05d}.parquet")
        valid.to_parquet(folder / "valid.parquet")
        (folder / "parameters.json").write_text(json.dumps(parameters))
        command = [sys.executable, "-m", __name__.rpartition(".")[0], name]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as child:
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


def train_rank(folder: Path) -> None:
    """Train on the rows in a folder, together with the other ranks, and write the result there."""
    threading.Thread(target=_end_with_worker, daemon=True).start()
    train, valid = (
        cast("Rows", pd.concat(map(pd.read_parquet, sorted(folder.glob(f"{part}*.parquet"))), ignore_index=True))
        for part in ("train", "valid")
    )
    parameters = json.loads((folder / "parameters.json").read_text())
    booster, curve = boost(*make_datasets(train, valid, {}, "none"), parameters.pop("num_boost_round"), parameters)
    model = _OWN_LINES.sub("", LightGBMModelProcessor().serialize(booster).decode())
    (folder / "trained.json").write_text(json.dumps({"model": model, "curve": curve}))


def _end_with_worker() -> None:
    # The worker keeps the other end open.
    os.read(0, 1)
    os._exit(1)
