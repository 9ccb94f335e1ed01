"""The base of the tasks that read a table."""

from typing import Any, TypeVar

import luigi

from gokart_pipeline_sample.io.tables.dialect import DEFAULT_DIALECT, Dialect
from gokart_pipeline_sample.io.tables.table import Table, open_table
from gokart_pipeline_sample.utils.parameters import DelimiterParameter, EncodingParameter, TableParameter
from gokart_pipeline_sample.utils.template import GokartTask

T = TypeVar("T")

# Names of the parameters, for a task that passes them on.
TABLE_PARAMETERS = ("table", "encoding", "delimiter", "decimal")


class TableTask(GokartTask[T]):
    """A task that reads a table, and is told how the CSV files of it are written."""

    table: TableParameter = TableParameter(description="Path or URI of a table.")
    encoding: EncodingParameter = EncodingParameter(
        default=DEFAULT_DIALECT.encoding, description="Encoding of CSV files, such as cp932."
    )
    delimiter: DelimiterParameter = DelimiterParameter(
        default=DEFAULT_DIALECT.delimiter, description="Character between the cells of CSV files, or tab."
    )
    decimal: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default=DEFAULT_DIALECT.decimal, choices=[".", ","], description="Character before decimals in CSV files."
    )

    def open_table(self) -> Table:
        """Return the table; it is listed once per process."""
        return open_table(self.table).with_dialect(Dialect(self.encoding, self.delimiter, self.decimal))

    def table_parameters(self) -> dict[str, Any]:
        """Return the parameters of the table, to pass them on to another task."""
        return {name: getattr(self, name) for name in TABLE_PARAMETERS}
