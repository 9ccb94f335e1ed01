"""Make the table that is published."""

import re
from collections.abc import Iterable
from typing import Any, cast

import luigi
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.pipeline.schemas.output import INTERVAL, OutputSchema, match_by_id
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask


class PublishParameter(luigi.ListParameter[tuple[str, ...]]):
    """Names of columns that are published beside the predictions, in that order."""

    def normalize(self, x: Iterable[str]) -> tuple[str, ...]:
        """Return the names; raise a SettingError if new rows lack one, or the output has it already."""
        # A reason without a number is that of rejected rows.
        names, own = tuple(x), r"(?i)id|pred(_low|_high)?|reason(_\d+)?|probability_.*"
        others = [name for name in PreprocessedSchema.new_row_columns()[1:] if not re.fullmatch(own, name)]
        if wrong := [name for name in names if name not in others or names.count(name) > 1]:
            raise SettingError(f"publish cannot have {wrong}: give some of {', '.join(others)}, each once")
        return names


class ProbabilitiesParameter(luigi.BoolParameter):
    """Whether the probability of each class is published."""

    def normalize(self, x: Any) -> bool:
        """Return the choice; raise a SettingError if there are no classes."""
        chosen: bool = super().normalize(x)  # type: ignore[no-untyped-call]
        if chosen and PreprocessedSchema.predicts_number():
            raise SettingError("with_proba is about classes, and the target is a number: set interval of TrainTask")
        return chosen


class MakeOutputTask(GokartTask[DataFrame[OutputSchema]]):
    """Outputs the ``OutputSchema`` frame: one prediction for each row, and the columns to publish."""

    pred_task: TaskParameter[DataFrame[Any]] = TaskParameter("Outputs at least OutputSchema.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the predicted rows.")
    publish: PublishParameter = PublishParameter(default=(), description="Columns of a row to publish, too, in JSON.")
    with_proba: luigi.BoolParameter = ProbabilitiesParameter(
        parsing=luigi.BoolParameter.EXPLICIT_PARSING, description="Whether each class's probability is published."
    )

    def run(self) -> None:
        """Make the table and save it."""
        prediction = self.load(self.pred_task)
        names = prediction.filter(regex=r"^reason_\d+$" + "|^probability_" * self.with_proba).columns
        self.dump(self.make_output(prediction, self.load(self.test_task), [*names, *self.publish]))

    @staticmethod
    @pa.check_types(lazy=True)
    def make_output(
        prediction: DataFrame[OutputSchema], data: DataFrame[PreprocessedSchema], publish: Iterable[str] = ()
    ) -> DataFrame[OutputSchema]:
        """Return ``id``, ``pred`` and any interval of each row, in order, and columns of either; see match_by_id."""
        matched = match_by_id(prediction, data[PreprocessedSchema.id_column()])
        own = [*OutputSchema.to_schema().columns, *matched.columns.intersection(INTERVAL)]
        columns = {name: (matched if name in matched else data)[name].array for name in publish}
        return cast("DataFrame[OutputSchema]", matched[own].assign(**columns))
