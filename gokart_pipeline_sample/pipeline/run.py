"""The whole pipeline."""

from __future__ import annotations

from typing import Any

from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.publish_batch import PublishBatchTask
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.template import ViewTask


class RunTask(ViewTask[DataFrame[OutputSchema]]):
    """Trains a model on the table and, if it is accurate enough, publishes its predictions on S3."""

    require_acc = CheckAccuracyTask.require_acc

    def requires(self) -> UploadS3Task:
        """Wire the tasks."""
        loaded = LoadDataTask()
        preprocessed = PreprocessTask(data_task=loaded)
        split = SplitDataTask(data_task=preprocessed)
        train = GetDataTask(data_task=split, name="train")
        valid = GetDataTask(data_task=split, name="valid")
        test = GetDataTask(data_task=split, name="test")

        model = TrainTask(train_task=train, valid_task=valid)
        predicted = PredTask(model_task=model, test_task=test)
        evaluated = EvaluateTask(model_task=model, pred_task=predicted, test_task=test)
        output = MakeOutputTask(pred_task=predicted, test_task=test)
        checked = CheckAccuracyTask(pred_task=output, test_task=test, require_acc=self.require_acc)
        return UploadS3Task(output_task=checked, after=[evaluated])


class RunNestTask(RunTask):
    """Does what ``RunTask`` does, with the preparation of the data nested in a task of its own."""

    def requires(self) -> UploadS3Task:
        """Wire the tasks."""
        prepared = PrepareDataTask()
        train = GetDataTask(data_task=prepared, name="train")
        valid = GetDataTask(data_task=prepared, name="valid")
        test = GetDataTask(data_task=prepared, name="test")

        model = TrainTask(train_task=train, valid_task=valid)
        predicted = PredTask(model_task=model, test_task=test)
        evaluated = EvaluateTask(model_task=model, pred_task=predicted, test_task=test)
        output = MakeOutputTask(pred_task=predicted, test_task=test)
        checked = CheckAccuracyTask(pred_task=output, test_task=test, require_acc=self.require_acc)
        return UploadS3Task(output_task=checked, after=[evaluated])


class RunBatchTask(ViewTask[dict[str, Any]]):
    """Trains a model and, if it is accurate enough, scores a table of new rows and publishes that on S3."""

    table = ScoreTableTask.table
    prefix = ScoreTableTask.prefix
    output_format = ScoreTableTask.output_format
    rows_per_part = ScoreTableTask.rows_per_part
    with_proba = ScoreTableTask.with_proba
    on_bad_row = GuardTableTask.on_bad_row
    max_rejected_share = GuardTableTask.max_rejected_share
    require_acc = CheckAccuracyTask.require_acc

    def requires(self) -> PublishBatchTask:
        """Wire the tasks."""
        prepared = PrepareDataTask()
        train = GetDataTask(data_task=prepared, name="train")
        valid = GetDataTask(data_task=prepared, name="valid")
        test = GetDataTask(data_task=prepared, name="test")

        model = TrainTask(train_task=train, valid_task=valid)
        predicted = PredTask(model_task=model, test_task=test)
        evaluated = EvaluateTask(model_task=model, pred_task=predicted, test_task=test)
        output = MakeOutputTask(pred_task=predicted, test_task=test)
        checked = CheckAccuracyTask(pred_task=output, test_task=test, require_acc=self.require_acc)

        guarded = GuardTableTask(
            table=self.table, on_bad_row=self.on_bad_row, max_rejected_share=self.max_rejected_share
        )
        scored = ScoreTableTask(
            model_task=model,
            checked_task=checked,
            guard_task=guarded,
            table=self.table,
            prefix=self.prefix,
            output_format=self.output_format,
            rows_per_part=self.rows_per_part,
            with_proba=self.with_proba,
        )
        return PublishBatchTask(score_task=scored, checked_task=checked, after=[evaluated])
