"""Train on a table that no single machine holds, by a process on each of several: a rank, in LightGBM."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import gokart
import luigi
import pandas as pd
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.errors import ClusterError, TableError
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.tables.table import Table, open_table
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.model.model_input import Rows
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Preprocess
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.utils.cluster_task import ClusterTask, connecting
from gokart_pipeline_sample.utils.parameters import TableParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.progress import showing_progress

PIECE_ROWS = 250_000

Reader = Callable[[range], list[Rows]]


class SplitPiecesTask(ClusterTask[dict[str, Rows]]):
    """Outputs the validation and the test rows of a table that is split by its ids; no process keeps training rows."""

    guard_task: TaskParameter[Any] = TaskParameter("Task that has checked that no id occurs more than once.")
    table: TableParameter = TableParameter(description="URI of the table to train on, in Parquet files on S3.")
    test_fraction, valid_fraction = (borrow(SplitDataTask, name) for name in ("test_fraction", "valid_fraction"))
    random_state = borrow(SplitDataTask, "random_state")
    lookups = borrow(PreprocessTask, "lookups")

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return a Parquet file for each of the frames."""
        return {name: self.make_target(f"SplitPiecesTask_{name}.parquet") for name in ("valid", "test")}

    def list_pieces(self) -> list[range]:
        """Return the numbers of the rows of each piece; raise a TableError if only this machine can read the table."""
        table = open_table(self.table)
        if not table.is_shared:
            raise TableError("several machines read the table: give the URI of Parquet files on S3")
        return cast("list[range]", [*table.list_pieces(FeatureSchema.arrow_schema([]), PIECE_ROWS, elsewhere=True)])

    def make_reader(self, *names: str) -> Reader:
        """Return a function for any process that reads the ``train``, ``valid`` or ``test`` rows of a piece."""
        preprocess = LOOKUPS.bind(PreprocessTask.preprocess, self.lookups)
        shares = self.test_fraction, self.valid_fraction
        return functools.partial(read_parts, open_table(self.table), preprocess, names, self.random_state, shares)

    def run(self) -> None:
        """Split the table and save the rows; raise a ValueError if a part has none."""
        names, pieces, found = ("valid", "test"), self.list_pieces(), dict[int, list[Rows]]()
        with self.start_workers() as workers, showing_progress("split", len(pieces), "pieces") as bar:
            for number, held_out in workers.map(self.make_reader(*names), pieces):
                found[number] = held_out
                bar.update(1)
        for place, name in enumerate(names):
            rows = pd.concat([found[number][place] for number in sorted(found)], ignore_index=True)
            if rows.empty:
                raise ValueError(f"the part {name} has no rows: give other fractions of SplitDataTask")
            self.dump(rows, name)


class TrainRanksTask(ClusterTask[Booster]):
    """Outputs a LightGBM booster that several ranks have trained, each on its own worker and pieces of the table."""

    split_task: gokart.TaskInstanceParameter[SplitPiecesTask] = gokart.TaskInstanceParameter(
        description="Task that splits the table."
    )
    parameters: luigi.DictParameter = luigi.DictParameter(description="Parameters of LightGBM, and num_boost_round.")
    threads = borrow(TrainTask, "threads")
    ranks: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=2, var_type=int, min_value=1, max_value=1000, description="Number of Dask workers; alters the model."
    )

    def output(self) -> TargetOnKart:
        """Return the model's file, in LightGBM's text format, with the losses of one rank."""
        return self.make_target("TrainRanksTask.txt", processor=LightGBMModelProcessor())

    def run(self) -> None:
        """Train the model and save it with its learning curve."""
        if not self.dask_scheduler:
            raise ClusterError("a model is trained in ranks on a Dask cluster alone: set dask_scheduler")
        pieces, read = self.split_task.list_pieces(), self.split_task.make_reader("train")
        if len(pieces) < self.ranks:
            raise ValueError(f"the table has {len(pieces)} pieces for {self.ranks} ranks: set fewer ranks")
        parameters = {**self.parameters, "threads": self.threads}
        valid = cast("Any", self.input())["split_task"]["valid"].load()
        with connecting(self.dask_scheduler, self.dask_timeout, type(self), "") as workers:
            trained = workers.call_together(self.ranks, run_rank, read, pieces, valid, parameters)
        # Their learning curves differ: each is that of the rows of one rank.
        models = [LightGBMModelProcessor().deserialize(content) for content in trained]
        if len({model.model_to_string() for model in models}) != 1:
            raise ClusterError("the ranks have different models: look whether their LightGBM is the same")
        self.dump(models[0])


def read_parts(
    table: Table, preprocess: Preprocess, names: Sequence[str], seed: int, shares: tuple[float, float], piece: range
) -> list[Rows]:
    """Read, check and preprocess a piece as a whole table is, split it by its ids, and return the named parts."""
    data, _ = table.read_piece(FeatureSchema.arrow_schema([*FeatureSchema.to_schema().columns]), piece)
    preprocessed = preprocess(LoadDataTask.check_rows(data))
    order = SplitDataTask.order_rows(preprocessed, "id", seed)
    parts = zip(("train", "valid", "test"), SplitDataTask.divide(order, *shares), strict=True)
    return [preprocessed.take(rows) for name, rows in parts if name in names]


def run_rank(
    number: int, machines: list[str], read: Reader, pieces: list[range], valid: Rows, parameters: dict[str, Any]
) -> bytes:
    """Train on the training rows of some pieces, on a Dask worker, together with the other ranks; return the model.

    A child process does it, because LightGBM ends its process when another rank is lost. All ranks have all validation
    rows, so they stop in the same round. Raises a ClusterError if the child has ended early, or the driver is gone.
    """
    from distributed import get_worker

    worker = get_worker()
    parameters["local_listen_port"] = int(machines[number].rpartition(":")[2])
    if len(machines) > 1:
        parameters |= {"num_machines": len(machines), "machines": ",".join(machines), "tree_learner": "data"}
        parameters |= {"pre_partition": True, "time_out": 1}  # It waits for the others for so many minutes, twice.
    with tempfile.TemporaryDirectory(dir=worker.local_directory) as name:
        folder = Path(name)
        (folder / "train").mkdir()
        for place, piece in enumerate(pieces[number :: len(machines)]):
            read(piece)[0].to_parquet(folder / "train" / f"{place:05d}.parquet")
        valid.to_parquet(folder / "valid")
        command = [sys.executable, "-m", __name__, name, json.dumps(parameters)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONSAFEPATH": "1"}
        with subprocess.Popen(command, env=environment, stdin=subprocess.PIPE) as child:
            try:
                while child.poll() is None:
                    if getattr(worker.state.tasks.get(worker.get_current_task()), "state", "") != "executing":
                        raise ClusterError("the driver does not wait for the model any more")
                    time.sleep(0.1)
            finally:
                child.kill()
        if child.returncode:
            raise ClusterError("a rank of the training has ended early: see the log of its Dask worker, and run again")
        return (folder / "model.txt").read_bytes()


def _end_with_worker() -> None:
    # The worker keeps the other end open.
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    # Train on the rows in a folder, with parameters in JSON, together with the other ranks; write the result there.
    folder, parameters = Path(sys.argv[1]), json.loads(sys.argv[2])
    threading.Thread(target=_end_with_worker, daemon=True).start()
    train, valid = (cast("Rows", pd.read_parquet(folder / part)) for part in ("train", "valid"))
    content = LightGBMModelProcessor().serialize(TrainTask.fit(train, valid, **parameters))
    # These lines differ between ranks.
    (folder / "model.txt").write_bytes(re.sub(rb"(?m)^\[(machines|local_listen_port): .*\]\n", b"", content))
