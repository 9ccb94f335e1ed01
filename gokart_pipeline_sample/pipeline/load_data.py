"""Read the table."""

from logging import getLogger
from typing import Any, cast

import luigi
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame
from pyarrow import RecordBatchReader

from gokart_pipeline_sample.errors import BadRowsError
from gokart_pipeline_sample.io.memory import get_memory
from gokart_pipeline_sample.io.tables.casts import to_frame
from gokart_pipeline_sample.io.tables.table import read_iris
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Breaches, separate_rows
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.utils.parameters import ShareParameter, TableParameter
from gokart_pipeline_sample.utils.table_task import TableTask

logger = getLogger(__name__)


class LoadDataTask(TableTask[DataFrame[FeatureSchema]]):
    """Outputs the table to train on, a ``FeatureSchema`` frame with its target."""

    table: TableParameter = TableParameter(default="", description="Path or URI of the table; iris when empty.")
    on_bad_row: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="fail", choices=["fail", "drop"], description="Whether bad rows fail the run, or are left out."
    )
    max_dropped_share: ShareParameter = ShareParameter(default=0.01, description="Share of rows that may be left out.")
    max_memory_share: ShareParameter = ShareParameter(
        default=0.1, significant=False, description="Share of memory for the table; training takes five times as much."
    )

    def run(self) -> None:
        """Read, check and save the table."""
        allowed_share = self.max_dropped_share if self.on_bad_row == "drop" else 0.0
        schema, data = FeatureSchema.arrow_schema([*FeatureSchema.to_schema().columns]), self.read()
        if not isinstance(data, pd.DataFrame):
            data = to_frame([*RecordBatchReader.from_stream(data)], schema, ".")
        self.dump(self.check_labelled(self.check_rows(data, allowed_share)))

    def read(self) -> Any:
        """Read the table without checking its rows: a frame, or anything that has an Arrow stream."""
        if not self.table:
            return read_iris()
        columns = [*FeatureSchema.to_schema().columns]
        return self.open_table().read(FeatureSchema.arrow_schema(columns), self.max_memory_share * get_memory())

    @staticmethod
    def check_rows(data: pd.DataFrame, allowed_share: float = 0.0) -> DataFrame[FeatureSchema]:
        """Return the valid rows of a table as it was read; raise a BadRowsError if a larger share breaks the schema."""
        good, found = separate_rows(FeatureSchema, data)
        if not found.empty:
            breaches = Breaches(FeatureSchema.id_column()).add(found, data)
            if breaches.bad_rows > allowed_share * len(data):
                raise BadRowsError(f"the frame breaks {FeatureSchema.__name__}: {breaches}")
            logger.warning(
                "%d of %d rows break the schema and are left out: %s", breaches.bad_rows, len(data), breaches
            )
        return cast("DataFrame[FeatureSchema]", good.reset_index(drop=True))

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def check_labelled(data: DataFrame[FeatureSchema]) -> DataFrame[FeatureSchema]:
        """Return the same table; raise a ValueError if it has no rows, or the same target in all."""
        FeatureSchema.require_target(data)
        kind = "numbers" if FeatureSchema.predicts_number() else "classes"
        if len(values := data[FeatureSchema.target_column()].unique().tolist()) < 2:
            raise ValueError(f"the table has {len(data)} rows of the {kind} {values}: give at least two {kind}")
        return data
