"""A gokart pipeline that validates a table, trains LightGBM on it, checks the accuracy and publishes predictions."""

from gokart_pipeline_sample.pipeline.batch.evaluate_published import EvaluatePublishedTask
from gokart_pipeline_sample.pipeline.batch.run_batch import RunBatchTask
from gokart_pipeline_sample.pipeline.champion.run_champion import ScoreChampionTask, TrainChampionTask
from gokart_pipeline_sample.pipeline.distributed.run_distributed import RunDistributedTask
from gokart_pipeline_sample.pipeline.run import RunNestTask, RunTask

__all__ = [
    "EvaluatePublishedTask",
    "RunBatchTask",
    "RunDistributedTask",
    "RunNestTask",
    "RunTask",
    "ScoreChampionTask",
    "TrainChampionTask",
]
