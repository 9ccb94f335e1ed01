"""Rows in the tables of embedded databases; those of a server are in test_deliver.py."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest
from support.databases import Database

from gokart_pipeline_sample.errors import DatabaseError, TableError
from gokart_pipeline_sample.io.database import Source
from gokart_pipeline_sample.io.database_table import DatabaseTable

AT = datetime(2026, 11, 29, 12, tzinfo=UTC)
ROWS = 'SELECT "id", "batch" FROM {} ORDER BY "id", "batch"'


@pytest.fixture(params=["sqlite", "duckdb"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    return Database(f"adbc_driver_{request.param}", str(tmp_path / "warehouse"))


def open_table(database: Database, name: str = "predictions") -> DatabaseTable:
    return DatabaseTable(Source("warehouse", database.driver, database.uri, {}), name, 60)


def make_rows(batch: str, *ids: int) -> pa.Table:
    values = {"id": [*ids], "text": [None] * len(ids), "batch": [batch] * len(ids), "scored_at": [AT] * len(ids)}
    times = pa.timestamp("us", "UTC")
    types = {"id": pa.int64(), "text": pa.string(), "batch": pa.string(), "scored_at": times}
    return pa.table(values, pa.schema([*types.items()]))


def replace(table: DatabaseTable, batch: str, *parts: tuple[int, ...]) -> None:
    table.replace_rows("batch", batch, [make_rows(batch, *ids) for ids in parts])


class TestReplace:
    @pytest.mark.parametrize("name", ["predictions", 'of a "flower', "select"])
    def test_leaves_each_row_once_and_those_of_others(self, database: Database, name: str) -> None:
        table = open_table(database, name)
        assert table.count_rows("batch", "it's one") == 0
        for _ in range(2):
            replace(table, "it's one", (1, 2), (3,))
            replace(table, "two", (1,), (4,))
        quoted = '"' + name.replace('"', '""') + '"'
        expected = [(1, "it's one"), (1, "two"), (2, "it's one"), (3, "it's one"), (4, "two")]
        assert database.execute(ROWS.format(quoted)) == expected
        assert [table.count_rows("batch", each) for each in ("it's one", "two", "' OR '' = '")] == [3, 2, 0]

    def test_undoes_all_if_the_rows_cannot_be_read_to_the_end(self, database: Database) -> None:
        table = open_table(database)
        replace(table, "one", (1, 2))

        def read() -> Iterator[pa.Table]:
            yield make_rows("one", 7, 8, 9)
            raise TableError("no more")

        with pytest.raises(TableError, match="no more"):
            table.replace_rows("batch", "one", read())
        assert database.execute(ROWS.format("predictions")) == [(1, "one"), (2, "one")]

    def test_goes_by_names_and_not_by_the_order_of_columns(self, database: Database) -> None:
        columns = '"scored_at" timestamp with time zone, "batch" text, "id" bigint, "text" text'
        database.execute(f"CREATE TABLE predictions ({columns})")
        replace(open_table(database), "one", (5,))
        assert database.execute('SELECT "id", "batch", "text" FROM predictions') == [(5, "one", None)]

    def test_refuses_a_table_that_lacks_columns_and_names_what_would_help(self, database: Database) -> None:
        database.execute('CREATE TABLE "predictions" ("id" bigint, "batch" text)')
        with pytest.raises(DatabaseError) as caught:
            replace(open_table(database), "one", (5,))
        problem, statement = str(caught.value).split(": ALTER")
        assert problem == ("source warehouse: predictions lacks columns, or has them with other types")
        added = 'ADD COLUMN "text" text, ADD COLUMN "scored_at" timestamp with time zone'
        assert statement == f' TABLE "predictions" {added}'
        assert database.execute("SELECT count(*) FROM predictions") == [(0,)]

    def test_of_nothing_changes_nothing(self, database: Database) -> None:
        open_table(database).replace_rows("batch", "one", [])
        assert open_table(database).count_rows("batch", "one") == 0


def test_two_at_once_leave_each_row_once_though_one_may_fail(tmp_path: Path) -> None:
    database = Database("adbc_driver_sqlite", str(tmp_path / "warehouse"))
    replace(open_table(database), "one", (1, 2))
    failed: list[str] = []

    def read() -> Iterator[pa.Table]:
        yield make_rows("one", 2)
        with pytest.raises(DatabaseError, match=r"source warehouse: .*database is locked") as caught:
            replace(open_table(database), "one", (3,))
        failed.append(str(caught.value))

    open_table(database).replace_rows("batch", "one", read())
    assert failed
    assert database.execute(ROWS.format("predictions")) == [(2, "one")]
