"""The base of the tasks that read a table."""

import luigi

from gokart_pipeline_sample.io.tables.csv_text import Dialect
from gokart_pipeline_sample.io.tables.table import Table, open_table
from gokart_pipeline_sample.utils.parameters import T, TableParameter
from gokart_pipeline_sample.utils.template import GokartTask

TABLE_PARAMETERS = ("table", "encoding", "delimiter", "decimal")


class TableTask(GokartTask[T]):
    """A task that reads a table, and is told how the CSV files of it are written."""

    table: TableParameter = TableParameter(description="Path or URI of a table.")
    encoding: luigi.Parameter[str] = luigi.Parameter(default="utf-8", description="Encoding of CSV files, as cp932.")
    delimiter: luigi.Parameter[str] = luigi.Parameter(default=",", description="What separates cells in CSV, or tab.")
    decimal: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default=".", choices=[".", ","], description="Character before decimals in CSV files."
    )

    def open_table(self) -> Table:
        """Return the table; it is listed once per process."""
        return open_table(self.table).with_dialect(Dialect(self.encoding, self.delimiter, self.decimal))
