"""The steps from reading the table to the accuracy check, shared by the nested run tasks."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import MakeReferenceTask
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.utils.template import GokartTask, ViewTask


class PrepareDataTask(ViewTask[dict[str, DataFrame[PreprocessedSchema]]]):
    """Loads, preprocesses and splits the table; outputs the frames of ``SplitDataTask``, as a view."""

    def requires(self) -> SplitDataTask:
        """Wire the tasks."""
        return wire_data()


def wire_data(lookups: Any = None, **split: Any) -> SplitDataTask:
    """Wire the tasks that load, preprocess and split the table, with other lookups and parameters of the split."""
    given = {} if lookups is None else {"lookups": lookups}
    return SplitDataTask(data_task=PreprocessTask(data_task=LoadDataTask(), **given), **split)


class TrainedModel(NamedTuple):
    """The tasks that train, evaluate and check a model."""

    model: GokartTask[Booster]
    predicted: PredTask
    evaluated: EvaluateTask
    reference: MakeReferenceTask
    checked: CheckAccuracyTask


def wire_model(
    prepared: GokartTask[Any],
    require_acc: Any,
    after: Sequence[GokartTask[Any]] = (),
    trained: GokartTask[Booster] | None = None,
    run: GokartTask[Any] | None = None,
) -> TrainedModel:
    """Wire the tasks from the prepared data to the accuracy check; training waits for the tasks in ``after``.

    The validation rows stand for the training rows, of which they are a sample, if another task has ``trained``.
    A ``run`` that publishes the predictions of the test rows passes its parameters on to the tasks that own them.
    A function, because the parameters of a task are part of the identity of all tasks downstream, and a change of
    ``require_acc`` must not score a table again.
    """
    names = ("valid", "valid", "test") if trained else ("train", "valid", "test")
    train, valid, test = (GetDataTask(data_task=prepared, name=name) for name in names)

    given = run.parameters_of if run else lambda _: {}
    model = trained or TrainTask(train_task=train, valid_task=valid, after=list(after))
    predicted = PredTask(model_task=model, test_task=test, **given(PredTask))
    evaluated = EvaluateTask(model_task=model, pred_task=predicted, train_task=train, test_task=test)
    output = MakeOutputTask(pred_task=predicted, test_task=test, **given(MakeOutputTask))
    checked = CheckAccuracyTask(pred_task=output, test_task=test, metrics_task=evaluated, require_acc=require_acc)
    reference = MakeReferenceTask(model_task=model, pred_task=predicted, train_task=train, test_task=test)
    return TrainedModel(model, predicted, evaluated, reference, checked)
