"""Train the model on several machines."""

from __future__ import annotations

from logging import getLogger
from typing import Any, cast
from urllib.parse import urlsplit

import gokart
import luigi
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.workspace_target import WorkspaceTarget
from gokart_pipeline_sample.pipeline.distributed.rank import RankJob, find_ports, run_ranks
from gokart_pipeline_sample.pipeline.distributed.split_pieces import Rows, SplitPiecesTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.utils.cluster_task import ClusterTask
from gokart_pipeline_sample.utils.dask_workers import DaskWorkers

logger = getLogger(__name__)

_ATTEMPTS = 3


class TrainRanksTask(ClusterTask[Booster]):
    """Outputs a LightGBM booster that several ranks have trained, each on its own pieces of the table."""

    split_task: gokart.TaskInstanceParameter[SplitPiecesTask] = gokart.TaskInstanceParameter(
        description="Task that splits the table."
    )
    parameters: luigi.DictParameter = luigi.DictParameter(description="The parameters of TrainTask.")
    ranks: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=2,
        var_type=int,
        min_value=1,
        max_value=1000,
        description="Number of processes that train the model, each on its own rows; it changes the model.",
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
            ClusterError: there is no cluster, or it has lost ranks again and again.
        """
        valid = self.load("valid")
        with self.start_workers() as workers:
            if not isinstance(workers, DaskWorkers):
                raise ClusterError("a model is trained in ranks on a Dask cluster alone: set dask_scheduler")
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    trained = self.train(workers, valid)
                    break
                except ClusterError as error:
                    if attempt == _ATTEMPTS:
                        raise
                    logger.warning("%s: the training begins again on the workers that are there", error)
        if len({each["model"] for each in trained}) != 1:
            raise ClusterError("the ranks have different models: look whether their LightGBM is the same")
        self.dump(trained[0]["curve"], self.make_learning_curve_target())
        self.dump(LightGBMModelProcessor().deserialize(trained[0]["model"].encode()))

    def train(self, workers: DaskWorkers, valid: Rows) -> list[dict[str, Any]]:
        """Train once, on all workers that are there, and return what each rank has made.

        Raises:
            ClusterError: a rank is lost; all others have been told to end.
        """
        split = self.split_task.describe()
        pieces, addresses = split.list_pieces(), workers.wait_for_addresses()
        if len(pieces) < self.ranks:
            raise ValueError(f"the table has {len(pieces)} pieces for {self.ranks} ranks: set fewer ranks")
        places = [addresses[rank % len(addresses)] for rank in range(self.ranks)]
        ports = {address: workers.call_on(address, find_ports, places.count(address)) for address in set(places)}
        numbers = [ports[address].pop() for address in places]
        machines = [f"{urlsplit(address).hostname}:{port}" for address, port in zip(places, numbers, strict=True)]
        parameters = dict(self.parameters)
        parameters.pop("class_weight")
        jobs: dict[str, list[RankJob]] = {address: [] for address in places}
        for rank, address in enumerate(places):
            own = pieces[rank :: self.ranks]
            jobs[address].append(RankJob(split, own, valid, parameters, machines, numbers[rank]))
        return [each for result in workers.call_together(run_ranks, jobs) for each in result]
