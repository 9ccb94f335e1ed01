from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from gokart_pipeline_sample.io.table_files import TableError
from gokart_pipeline_sample.io.tables import open_table
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.utils.parameters import TableParameter


@pytest.fixture(autouse=True)
def _forget_tables() -> Iterator[None]:
    open_table.cache_clear()
    yield
    open_table.cache_clear()


class TestTableParameter:
    def test_gives_a_task_the_identity_of_the_content(self, tmp_path: Path) -> None:
        for name, content in (("a.csv", "id\n1\n"), ("b.csv", "id\n1\n"), ("c.csv", "id\n2\n")):
            (tmp_path / name).write_text(content)
        first, same, other = (
            PreprocessTask(data_task=LoadDataTask(table=str(tmp_path / name))).make_unique_id()
            for name in ("a.csv", "b.csv", "c.csv")
        )
        assert first == same
        assert first != other

    def test_passes_over_the_time_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("id\n1\n")
        before = TableParameter().serialize(str(path))
        os.utime(path, (0, 0))
        open_table.cache_clear()
        assert TableParameter().serialize(str(path)) == before

    def test_sees_another_content_at_the_same_place(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("id\n1\n")
        before = TableParameter().serialize(str(path))
        path.write_text("id\n2\n")
        open_table.cache_clear()
        assert TableParameter().serialize(str(path)) != before

    def test_keeps_the_path_for_the_task_and_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("id\n1\n")
        task = LoadDataTask(table=str(tmp_path / "a.csv"))
        assert task.table == str(tmp_path / "a.csv")
        assert str(task) == f"LoadDataTask(table={tmp_path / 'a.csv'})"

    def test_no_table_is_a_value_too(self) -> None:
        assert TableParameter().serialize("") == ""
        assert LoadDataTask(table="").make_unique_id() == LoadDataTask().make_unique_id()

    def test_refuses_a_table_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="not-there"):
            LoadDataTask(table=str(tmp_path / "not-there"))
