"""The middle of the pipeline, for the run tasks that nest it."""

from __future__ import annotations

from typing import NamedTuple

from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.utils.view import ViewTask


class PrepareDataTask(ViewTask[dict[str, DataFrame[PreprocessedSchema]]]):
    """Puts out the frames ``train``, ``valid`` and ``test`` of ``SplitDataTask``: load, preprocess, split."""

    def requires(self) -> SplitDataTask:
        """Wire the tasks."""
        loaded = LoadDataTask()
        preprocessed = PreprocessTask(data_task=loaded)
        return SplitDataTask(data_task=preprocessed)


class TrainedModel(NamedTuple):
    """The tasks that train, evaluate and check a model.

    Args:
        model: puts out the model.
        evaluated: puts out its figures.
        checked: puts out its predictions of the test rows, if they are accurate enough.
    """

    model: TrainTask
    evaluated: EvaluateTask
    checked: CheckAccuracyTask


def wire_model(prepared: PrepareDataTask, require_acc: float) -> TrainedModel:
    """Wire the tasks from the prepared data to the accuracy check.

    This is no nested task: the parameters of a task are part of the identity of all that follows it, and a change of
    ``require_acc`` is not to score a table anew.
    """
    train = GetDataTask(data_task=prepared, name="train")
    valid = GetDataTask(data_task=prepared, name="valid")
    test = GetDataTask(data_task=prepared, name="test")

    model = TrainTask(train_task=train, valid_task=valid)
    predicted = PredTask(model_task=model, test_task=test)
    evaluated = EvaluateTask(model_task=model, pred_task=predicted, test_task=test)
    output = MakeOutputTask(pred_task=predicted, test_task=test)
    checked = CheckAccuracyTask(pred_task=output, test_task=test, require_acc=require_acc)
    return TrainedModel(model, evaluated, checked)
