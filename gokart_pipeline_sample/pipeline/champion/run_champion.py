"""The lifecycle of the model in use: train now and then, score as often as new rows come."""

from typing import Any

import luigi

from gokart_pipeline_sample.errors import ChampionError
from gokart_pipeline_sample.pipeline.batch.run_batch import RunBatchTask
from gokart_pipeline_sample.pipeline.champion.choose_champion import ChooseChampionTask, find_change
from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.run_middle import wire_data, wire_model
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.utils.parameters import borrow
from gokart_pipeline_sample.utils.shown_task import PublisherTask
from gokart_pipeline_sample.utils.template import ViewTask


class TrainChampionTask(ViewTask[Any]):
    """Trains a model; it becomes the champion if it is accurate enough, and not worse than the champion so far."""

    split_by = borrow(SplitDataTask, "split_by", luigi.Parameter("id", description="id, or a column of time."))
    require_acc = borrow(ChooseChampionTask, "require_acc")
    compare = borrow(ChooseChampionTask, "compare")
    margin = borrow(ChooseChampionTask, "margin")

    def requires(self) -> ChooseChampionTask:
        """Wire the tasks; raise a ChampionError if rows do not stay in their part of the split."""
        if self.split_by == "random":
            problem = "with split_by=random the champion may know the test rows: set it to id, or to a column of time,"
            raise ChampionError(f"{problem} for SplitDataTask or for TrainChampionTask alone")
        split = wire_data(split_by=self.split_by)
        trained = wire_model(split, self.require_acc)
        return ChooseChampionTask(
            model_task=trained.model,
            pred_task=trained.predicted,
            metrics_task=trained.evaluated,
            reference_task=trained.reference,
            split_task=split,
            **self.parameters_of(ChooseChampionTask),
        )


class ScoreChampionTask(RunBatchTask):
    """Scores a table of new rows with the champion, without any training data, and publishes the predictions on S3."""

    def requires(self) -> PublisherTask[Any]:
        """Wire the tasks; raise a ChampionError if the champion is missing, damaged, or of other preprocessing."""
        champions = LoadChampionTask(champion="").champions()
        pointer, _ = champions.read_pointer()
        if pointer is None:
            path = champions.path(champions.pointer_key)
            raise ChampionError(f"{path} does not exist: train a champion (TrainChampionTask)")
        # Here, and not when it is loaded: before the table is checked.
        if (document := champions.find_document(pointer["champion"])) is None:
            problem = f"{champions.path(pointer['champion'])} is missing or damaged, or a file beside it"
            raise ChampionError(f"{problem}: go back (--champion), or train a champion (TrainChampionTask)")
        if change := find_change(document, self.lookups):
            since = f"{change} has changed since the champion was trained"
            raise ChampionError(f"{since}: train another (TrainChampionTask)")
        champion = LoadChampionTask(champion=pointer["champion"])
        model, reference = (GetDataTask(data_task=champion, name=name) for name in ("model", "reference"))
        return self.publish(model_task=model, reference_task=reference, champion=dict(pointer))
