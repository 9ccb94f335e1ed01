from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import luigi
import pytest

from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.batch.evaluate_published import EvaluatePublishedTask
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.run_batch import RunBatchTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask

TEXT = "id;größe\n1;0,5\n"


@pytest.fixture
def table(tmp_path: Path) -> Iterator[str]:
    open_table.cache_clear()
    (tmp_path / "table.csv").write_text(TEXT, encoding="cp1252")
    yield str(tmp_path / "table.csv")
    open_table.cache_clear()


@pytest.fixture
def configured() -> Iterator[luigi.configuration.LuigiConfigParser]:
    config = luigi.configuration.get_config()
    yield config
    for section in ("ScoreTableTask", "UploadS3Task"):
        config.remove_section(f"gokart_pipeline_sample.{section}")


class TestTableTask:
    @pytest.mark.parametrize("name", ["encoding", "delimiter", "decimal"])
    def test_has_another_identity_if_the_table_is_read_otherwise(self, table: str, name: str) -> None:
        other = {"encoding": "cp1252", "delimiter": ";", "decimal": ","}[name]
        given = LoadDataTask(**{"table": table, name: other})
        assert given.make_unique_id() != LoadDataTask(table=table).make_unique_id()

    def test_lists_a_table_once_however_it_is_read(self, table: str) -> None:
        one = LoadDataTask(table=table).open_table()
        other = LoadDataTask(table=table, encoding="cp1252").open_table()
        Path(table).unlink()
        assert one is open_table(table)
        assert other.fingerprint == one.fingerprint

    def test_passes_the_parameters_of_a_batch_on(
        self, table: str, configured: luigi.configuration.LuigiConfigParser
    ) -> None:
        configured.set("gokart_pipeline_sample.ScoreTableTask", "delimiter", ";")
        configured.set("gokart_pipeline_sample.UploadS3Task", "bucket", "bucket")
        batch = RunBatchTask(table=table, encoding="cp1252")
        guarded = batch.guard()
        assert isinstance(guarded, GuardTableTask)
        assert (guarded.encoding, guarded.delimiter, guarded.decimal) == ("cp1252", ";", ".")
        scored = batch.requires().score_task
        assert (scored.table, scored.encoding, scored.delimiter, scored.decimal) == (table, "cp1252", ";", ".")

    def test_passes_the_parameters_of_a_truth_on(self, table: str) -> None:
        joined = EvaluatePublishedTask(
            table=table, encoding="cp1252", delimiter=";", manifest="batch/1/manifest.json", bucket="bucket"
        ).requires()
        assert (joined.table, joined.encoding, joined.delimiter) == (table, "cp1252", ";")
