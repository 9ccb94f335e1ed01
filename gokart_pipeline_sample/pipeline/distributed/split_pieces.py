"""Split a table that no single machine holds."""

from __future__ import annotations

from typing import Any, NamedTuple

import pandas as pd
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.table import Table, open_table
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.utils.cluster_task import ClusterTask
from gokart_pipeline_sample.utils.parameters import TableParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.progress import showing_progress

PIECE_ROWS = 250_000

Rows = DataFrame[PreprocessedSchema]


class TableSplit(NamedTuple):
    """A table that is split by its ids, so that each piece of it can be split on its own; see SplitDataTask."""

    table: Table
    test_fraction: float
    valid_fraction: float
    random_state: int

    def list_pieces(self) -> list[range]:
        """Return the numbers of the rows of each piece; raise a TableError if only this machine can read the table."""
        if not self.table.is_shared:
            raise TableError("several machines read the table: give the URI of Parquet files on S3")
        pieces = self.table.list_pieces(FeatureSchema.arrow_schema([]), PIECE_ROWS, elsewhere=True)
        return [piece for piece in pieces if isinstance(piece, range)]

    def read(self, piece: range) -> tuple[Rows, Rows, Rows]:
        """Read, check and preprocess a piece as a whole table is, and return its training, validation and test rows."""
        columns = [*FeatureSchema.new_row_columns(), FeatureSchema.target_column()]
        data = self.table.read_piece(FeatureSchema.arrow_schema(columns), piece)
        preprocessed = PreprocessTask.preprocess(LoadDataTask.check_rows(data))
        order = SplitDataTask.order_rows(preprocessed, "id", self.random_state)
        return SplitDataTask.divide(preprocessed, order, self.test_fraction, self.valid_fraction)


class SplitPiecesTask(ClusterTask[dict[str, Rows]]):
    """Outputs the validation and the test rows of a table that is split by its ids; no process keeps training rows."""

    guard_task: TaskParameter[Any] = TaskParameter("Task that has checked that no id occurs more than once.")
    table: TableParameter = TableParameter(description="URI of the table to train on, in Parquet files on S3.")
    test_fraction = borrow(SplitDataTask, "test_fraction")
    valid_fraction = borrow(SplitDataTask, "valid_fraction")
    random_state = borrow(SplitDataTask, "random_state")

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return a Parquet file for each of the frames."""
        return {name: self.make_target(f"SplitPiecesTask_{name}.parquet") for name in ("valid", "test")}

    def describe(self) -> TableSplit:
        """Return the table and how it is split."""
        return TableSplit(open_table(self.table), self.test_fraction, self.valid_fraction, self.random_state)

    def run(self) -> None:
        """Split the table and save the rows; raise a ValueError if a part has none."""
        split, found = self.describe(), dict[int, tuple[Rows, Rows]]()
        pieces = split.list_pieces()
        with self.start_workers() as workers, showing_progress("split", len(pieces), "pieces") as advance:
            for number, held_out in workers.map(select_held_out, split, pieces):
                found[number] = held_out
                advance(1)
        for place, name in enumerate(("valid", "test")):
            rows = pd.concat([found[number][place] for number in sorted(found)], ignore_index=True)
            if rows.empty:
                raise ValueError(f"the part {name} has no rows: give other fractions of SplitDataTask")
            self.dump(rows, name)


def select_held_out(split: TableSplit, piece: range) -> tuple[Rows, Rows]:
    """Return the validation rows and the test rows of a piece."""
    return split.read(piece)[1:]
