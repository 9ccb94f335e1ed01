from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pytest import MonkeyPatch

from gokart_pipeline_sample.errors import SettingError, TableError
from gokart_pipeline_sample.pipeline.database import snapshot_table
from gokart_pipeline_sample.pipeline.database.snapshot_table import SnapshotTableTask, gather

DAY = datetime.date(2026, 11, 29)


def make_task(**parameters: Any) -> SnapshotTableTask:
    return SnapshotTableTask(**{"as_of": DAY, "to": "s3://bucket/flowers", **parameters})


class TestIdentity:
    def test_depends_on_text_values_and_names_alone(self, tmp_path: Path) -> None:
        for name, text in (("a", "select 1"), ("b", "select 1"), ("c", "select 2")):
            (tmp_path / f"{name}.sql").write_text(text)
        asked = [
            make_task(query_file=str(tmp_path / f"{name}.sql"), **parameters).make_unique_id()
            for name, parameters in (
                ("a", {}),
                ("b", {}),
                ("a", {"timeout_seconds": 5, "allow_empty": True, "rerun": True}),
                ("c", {}),
                ("a", {"parameter": "x=1"}),
                ("a", {"as_of": datetime.date(2026, 11, 28)}),
                ("a", {"to": "s3://bucket/roses"}),
            )
        ]
        assert asked[0] == asked[1] == asked[2]
        assert len({*asked}) == 5

    def test_is_part_of_the_place(self) -> None:
        task = make_task()
        assert task.output().path() == "s3://bucket/flowers/latest.json"
        assert task.output().manifest.key == f"flowers/2026-11-29-{task.make_unique_id()}/manifest.json"

    @pytest.mark.parametrize("to", ["flowers", "s3://bucket", "s3://bucket/", "https://bucket/flowers"])
    def test_has_a_place_on_s3(self, to: str) -> None:
        with pytest.raises(SettingError, match=f"a snapshot cannot be put to '{to}': give s3://bucket/prefix"):
            make_task(to=to).output()

    @pytest.mark.parametrize("path", ["/no/such.sql", "/"])
    def test_names_a_file_that_cannot_be_read(self, path: str) -> None:
        with pytest.raises(SettingError, match=rf"the query cannot be read \(.*'{path}'\): correct query_file"):
            make_task(query_file=path)

    def test_does_not_wait_for_a_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(path := tmp_path / "query.sql")
        with pytest.raises(SettingError, match=r"query\.sql is no regular file"):
            make_task(query_file=str(path))


class TestCheckColumns:
    def test_takes_what_tables_have(self) -> None:
        text = (pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string()))
        times = (pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.date32(), pa.null(), pa.bool_())
        numbers = (pa.int16(), pa.uint64(), pa.float32(), pa.decimal128(10, 2))
        kinds = [*text, *times, *numbers]
        SnapshotTableTask.check_columns(pa.schema([(f"c{number}", kind) for number, kind in enumerate(kinds)]))

    @pytest.mark.parametrize(
        ("kind", "problem"),
        [
            (pa.opaque(pa.string(), "numeric", "PostgreSQL"), "x is numeric, .* CAST(x AS double precision) AS x"),
            (pa.list_(pa.int32()), "x is list<item: int32>, which no table can have: write CAST(x AS text) AS x"),
            (pa.binary(), "x is binary, which no table can have: write CAST(x AS text) AS x"),
            (pa.duration("s"), "x is duration"),
        ],
    )
    def test_shows_the_cast_for_others(self, kind: pa.DataType, problem: str) -> None:
        with pytest.raises(TableError, match=problem.replace("(", r"\(").replace(")", r"\)")):
            SnapshotTableTask.check_columns(pa.schema([("id", pa.int64()), ("x", kind)]))

    def test_refuses_a_column_twice(self) -> None:
        schema = pa.schema([("id", pa.int64()), ("id", pa.int64())])
        with pytest.raises(TableError, match="the query has the column id more than once: name each by AS"):
            SnapshotTableTask.check_columns(schema)


class TestGather:
    def test_fills_parts_whatever_the_size_of_batches(self, monkeypatch: MonkeyPatch) -> None:
        monkeypatch.setattr(snapshot_table, "PART_BYTES", 1_000_000)
        table = pa.table({"x": np.arange(1_000_000)})
        for rows in (1000, 1_000_000):
            parts = [*gather(table.to_batches(rows), table.schema)]
            assert pa.concat_tables(parts).equals(table)
            assert all(1_000_000 <= part.nbytes < 1_600_000 for part in parts[:-1])

    def test_has_a_part_without_rows_if_there_are_none(self) -> None:
        schema = pa.schema([("x", pa.int64())])
        assert [*gather([], schema)] == [schema.empty_table()]
        assert [*gather([pa.RecordBatch.from_pylist([], schema)], schema)] == [schema.empty_table()]
