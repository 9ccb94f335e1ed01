"""The whole pipeline."""

from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask, wire_model
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.parameters import borrow
from gokart_pipeline_sample.utils.template import ViewTask


class RunTask(ViewTask[DataFrame[OutputSchema]]):
    """Trains a model on the table and, if it is accurate enough, publishes its predictions on S3."""

    require_acc = borrow(CheckAccuracyTask, "require_acc")
    with_proba = borrow(MakeOutputTask, "with_proba")
    with_reasons = borrow(PredTask, "with_reasons")

    def requires(self) -> UploadS3Task:
        """Wire the tasks."""
        loaded = LoadDataTask()
        preprocessed = PreprocessTask(data_task=loaded)
        split = SplitDataTask(data_task=preprocessed)
        train = GetDataTask(data_task=split, name="train")
        valid = GetDataTask(data_task=split, name="valid")
        test = GetDataTask(data_task=split, name="test")

        model = TrainTask(train_task=train, valid_task=valid)
        predicted = PredTask(model_task=model, test_task=test, with_reasons=self.with_reasons)
        evaluated = EvaluateTask(model_task=model, pred_task=predicted, train_task=train, test_task=test)
        output = MakeOutputTask(pred_task=predicted, test_task=test, with_proba=self.with_proba)
        gate = CheckAccuracyTask(pred_task=output, test_task=test, metrics_task=evaluated, require_acc=self.require_acc)
        return UploadS3Task(output_task=gate)


class RunNestTask(RunTask):
    """Does the same as ``RunTask``, with the data preparation nested in ``PrepareDataTask``."""

    def requires(self) -> UploadS3Task:
        """Wire the tasks."""
        return UploadS3Task(output_task=wire_model(PrepareDataTask(), self.require_acc, run=self).checked)
