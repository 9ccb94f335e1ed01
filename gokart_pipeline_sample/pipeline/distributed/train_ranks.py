"""Train the model on several machines."""

from __future__ import annotations

from typing import Any, cast
from urllib.parse import urlsplit

import gokart
import luigi
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.workspace_target import WorkspaceTarget
from gokart_pipeline_sample.pipeline.distributed.rank import RankJob, find_port, run_rank
from gokart_pipeline_sample.pipeline.distributed.split_pieces import Rows, SplitPiecesTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.utils.cluster_task import ClusterTask
from gokart_pipeline_sample.utils.dask_workers import DaskWorkers

# LightGBM waits for the other ranks for so many minutes.
_TIME_OUT = 1


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

    def output(self) -> WorkspaceTarget:
        """Return the model's file, in LightGBM's text format."""
        model = cast("WorkspaceTarget", self.make_target("TrainRanksTask.txt", processor=LightGBMModelProcessor()))
        return model.with_companion(self.make_learning_curve_target())

    def make_learning_curve_target(self) -> WorkspaceTarget:
        """Return the JSON file beside the model, with the losses of each round; those of training are of one rank."""
        return cast("WorkspaceTarget", self.make_target("TrainRanksTask_learning_curve.json"))

    def run(self) -> None:
        """Train the model and save it with its learning curve.

        Raises:
            ClusterError: there is no cluster, it has too few workers, or it has lost one.
        """
        with self.start_workers() as workers:
            if not isinstance(workers, DaskWorkers):
                raise ClusterError("a model is trained in ranks on a Dask cluster alone: set dask_scheduler")
            trained = self.train(workers, self.load("valid"))
        if len({each["model"] for each in trained}) != 1:
            raise ClusterError("the ranks have different models: look whether their LightGBM is the same")
        self.dump(trained[0]["curve"], self.make_learning_curve_target())
        self.dump(LightGBMModelProcessor().deserialize(trained[0]["model"].encode()))

    def train(self, workers: DaskWorkers, valid: Rows) -> list[dict[str, Any]]:
        """Return the model and the learning curve of each rank; see :func:`run_rank`."""
        split = self.split_task.describe()
        pieces, addresses = split.list_pieces(), workers.wait_for_addresses(self.ranks)
        if len(pieces) < self.ranks:
            raise ValueError(f"the table has {len(pieces)} pieces for {self.ranks} ranks: set fewer ranks")
        ports = dict(zip(addresses, workers.call_together(find_port, dict.fromkeys(addresses)), strict=True))
        parameters = {name: value for name, value in self.parameters.items() if name != "class_weight"}
        if self.ranks > 1:
            machines = ",".join(f"{urlsplit(address).hostname}:{port}" for address, port in ports.items())
            parameters |= {"tree_learner": "data", "pre_partition": True, "time_out": _TIME_OUT}
            parameters |= {"num_machines": self.ranks, "machines": machines}
        jobs = {
            address: RankJob(split, pieces[rank :: self.ranks], valid, {**parameters, "local_listen_port": port})
            for rank, (address, port) in enumerate(ports.items())
        }
        return workers.call_together(run_rank, jobs)
