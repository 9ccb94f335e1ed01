"""A gokart pipeline that validates a table, trains LightGBM on it, checks the accuracy and publishes predictions."""

from gokart_pipeline_sample.pipeline.batch.deliver_batch import DeliverBatchTask as DeliverBatchTask
from gokart_pipeline_sample.pipeline.batch.evaluate_published import EvaluatePublishedTask as EvaluatePublishedTask
from gokart_pipeline_sample.pipeline.batch.run_batch import RunBatchTask as RunBatchTask
from gokart_pipeline_sample.pipeline.champion.run_champion import ScoreChampionTask as ScoreChampionTask
from gokart_pipeline_sample.pipeline.champion.run_champion import TrainChampionTask as TrainChampionTask
from gokart_pipeline_sample.pipeline.database.snapshot_table import SnapshotTableTask as SnapshotTableTask
from gokart_pipeline_sample.pipeline.distributed.run_distributed import RunDistributedTask as RunDistributedTask
from gokart_pipeline_sample.pipeline.run import RunNestTask as RunNestTask
from gokart_pipeline_sample.pipeline.run import RunTask as RunTask
