"""Check the table to score."""

from __future__ import annotations

import functools
from logging import getLogger
from typing import Any

import luigi
import pandas as pd

from gokart_pipeline_sample.errors import BadRowsError, TableError
from gokart_pipeline_sample.io.tables.duplicates import find_duplicates, get_bounds, increase
from gokart_pipeline_sample.io.tables.table import Piece, Table
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Breaches, Preprocess, preprocess_valid, readable_ids
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.utils.cluster_task import ClusterTask
from gokart_pipeline_sample.utils.parameters import ShareParameter, TableParameter, borrow
from gokart_pipeline_sample.utils.progress import showing_progress
from gokart_pipeline_sample.utils.table_task import TableTask

logger = getLogger(__name__)

Checked = tuple[Breaches, list[Any] | None]  # of a chunk, and the bounds of its ids

# Small chunks cost more for calls of pandera and pandas than for their rows; wide rows make smaller ones.
CHUNK_ROWS = 1_000_000
CHUNK_BYTES = 40 * 2**20


class GuardTableTask(TableTask[dict[str, Any]], ClusterTask[dict[str, Any]]):
    """Checks every row of the table to score before any row is scored.

    Outputs the numbers of ``rows`` and of ``bad_rows``, and as ``duplicates`` the ids that occur more than once.
    """

    file_name = "GuardTableTask.json"

    table: TableParameter = TableParameter(description="Path or URI of the table to score; its target is ignored.")
    on_bad_row: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="fail", choices=["fail", "reject"], description="Whether bad rows fail the run, or go to rejected/."
    )
    max_rejected_share: ShareParameter = ShareParameter(default=0.01, description="Largest share of rows to reject.")
    min_rows: luigi.IntParameter = luigi.IntParameter(default=1, description="Least number of valid rows of the table.")
    lookups = borrow(PreprocessTask, "lookups")

    def run(self) -> None:
        """Check the table and save the result; raise a TableError if it has too few valid rows."""
        table, duplicates = self.open_table(), list[Any]()
        checked = self.check_chunks(table, duplicates)
        if not increase(bounds for _, bounds in checked):
            ids = FeatureSchema.arrow_schema([FeatureSchema.id_column()])
            duplicates = find_duplicates(
                lambda: (readable_ids(FeatureSchema, chunk) for chunk in table.read_chunks(ids, CHUNK_ROWS)),
                in_memory=self.is_on_s3,
            ).tolist()
            if duplicates:
                checked = self.check_chunks(table, duplicates)
        allowed_share = self.max_rejected_share if self.on_bad_row == "reject" else 0.0
        result = self.guard(checked, duplicates, allowed_share)
        if (valid := result["rows"] - result["bad_rows"]) < self.min_rows:
            raise TableError(f"{self.table}: {valid} of {result['rows']} rows are valid, min_rows is {self.min_rows}")
        self.dump(result)

    def check_chunks(self, table: Table, duplicates: list[Any]) -> list[Checked]:
        """Check each chunk of the table, given the ids that are known to occur more than once."""
        schema, preprocess = FeatureSchema.new_row_schema(), LOOKUPS.bind(PreprocessTask.preprocess, self.lookups)
        check = functools.partial(self.check, table, pd.Index(duplicates), preprocess)
        checked: dict[int, Checked] = {}
        with self.start_workers() as workers, showing_progress("checked", None, "rows") as bar:
            rows = min(CHUNK_ROWS, CHUNK_BYTES // (8 * len(schema)))  # of about eight bytes a cell
            pieces = table.list_pieces(schema, rows, elsewhere=bool(self.dask_scheduler))
            for number, chunk in workers.map(check, pieces):
                checked[number] = chunk
                bar.update(chunk[0].rows)
        return [chunk for _, chunk in sorted(checked.items())]

    @staticmethod
    def guard(checked: list[Checked], duplicates: list[Any], allowed_share: float) -> dict[str, Any]:
        """Count the rows of all chunks that break the schema; raise a BadRowsError if they are more than allowed."""
        breaches = Breaches(FeatureSchema.id_column())
        for found, _ in checked:
            breaches.merge(found)
        rows, bad_rows = breaches.rows, breaches.bad_rows
        if rows and bad_rows / rows > allowed_share:
            allowed = f"a share of {allowed_share:g} is allowed (see on_bad_row)"
            raise BadRowsError(f"{bad_rows} of {rows} rows break {FeatureSchema.__name__}, {allowed}: {breaches}")
        logger.info("%d of %d rows break the schema", bad_rows, rows)
        return {"rows": rows, "bad_rows": bad_rows, "duplicates": duplicates}

    @staticmethod
    def check(table: Table, duplicates: pd.Index[Any], preprocess: Preprocess, piece: Piece) -> Checked:
        """Count the rows of a piece of a table that break the schema; see :func:`preprocess_valid`."""
        data, _ = table.read_piece(FeatureSchema.new_row_schema(), piece)
        _, found = preprocess_valid(FeatureSchema, data, duplicates, preprocess)
        breaches = Breaches(FeatureSchema.id_column()).add(found, data)
        return breaches, get_bounds(readable_ids(FeatureSchema, data))
