"""Make the table that is published."""

from typing import Any, cast

import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema, match_by_id
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask


class MakeOutputTask(GokartTask[DataFrame[OutputSchema]]):
    """Outputs the ``OutputSchema`` frame: one prediction for each row."""

    pred_task: TaskParameter[DataFrame[Any]] = TaskParameter("Outputs at least OutputSchema.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the predicted rows.")

    def run(self) -> None:
        """Make the table and save it."""
        self.dump(self.make_output(self.load(self.pred_task), self.load(self.test_task)))

    @staticmethod
    @pa.check_types(lazy=True)
    def make_output(
        prediction: DataFrame[OutputSchema], data: DataFrame[PreprocessedSchema]
    ) -> DataFrame[OutputSchema]:
        """Return the ``id`` and the ``pred`` of each row, in the order of the rows; predictions may have any order.

        Raises:
            pandera.errors.SchemaErrors: a frame breaks its schema.
            ValueError: a row has no prediction, or a prediction has no row; the message gives the ids.
        """
        return cast("DataFrame[OutputSchema]", match_by_id(prediction, data[PreprocessedSchema.id_column()]))
