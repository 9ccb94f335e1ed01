from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gokart
import luigi
import pytest
from gokart.utils import flatten
from luigi.task_register import Register

from gokart_pipeline_sample import RunBatchTask, RunNestTask, RunTask
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.publish_batch import PublishBatchTask
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task

# luigi would rather have no section that speaks for several tasks.
pytestmark = pytest.mark.filterwarnings("ignore:The use of the configuration:DeprecationWarning")


@pytest.fixture(autouse=True)
def bucket() -> Iterator[None]:
    config = luigi.configuration.get_config()
    config.set("gokart_pipeline_sample.UploadS3Task", "bucket", "some-bucket")
    yield
    config.remove_section("gokart_pipeline_sample.UploadS3Task")


def find(root: gokart.TaskOnKart, task_class: type) -> gokart.TaskOnKart:
    tasks = [root]
    for task in tasks:
        if isinstance(task, task_class):
            return task
        tasks += flatten(task.requires())
    raise LookupError(task_class)


class TestRunTask:
    def test_is_a_view_of_the_published_object(self) -> None:
        assert RunTask().output() is find(RunTask(), UploadS3Task).output()
        assert RunTask().output().path() == "s3://some-bucket/output.csv"

    def test_requires_the_accuracy_of_the_check_and_of_nothing_before_it(self) -> None:
        low, high = RunTask(require_acc=0.5), RunTask(require_acc=0.9)
        for task_class, same in ((CheckAccuracyTask, False), (UploadS3Task, False), (TrainTask, True)):
            unique_ids = {find(root, task_class).make_unique_id() for root in (low, high)}
            assert (len(unique_ids) == 1) is same


class TestRunNestTask:
    def test_wires_the_same_tasks(self) -> None:
        assert find(RunNestTask(), CheckAccuracyTask).require_acc == RunTask().require_acc
        assert RunNestTask().output().path() == RunTask().output().path()


class TestRunBatchTask:
    @pytest.fixture
    def table(self, tmp_path: Path) -> str:
        # luigi keeps tasks, and takes those for equal whose tables have the same content.
        Register.clear_instance_cache()
        (tmp_path / "table.csv").write_text("id\n1\n")
        return str(tmp_path / "table.csv")

    def test_is_a_view_of_the_pointer_to_the_batch(self, table: str) -> None:
        task = RunBatchTask(table=table, prefix="daily/batch")
        scored = find(task, ScoreTableTask)
        assert task.output() is find(task, PublishBatchTask).output()
        assert task.output().path() == "s3://some-bucket/daily/batch/latest.json"
        assert task.output().manifest is scored.output()
        assert scored.output().path() == f"s3://some-bucket/daily/batch/{scored.make_unique_id()}/manifest.json"

    def test_uses_the_model_of_the_run(self, table: str) -> None:
        for task_class in (TrainTask, CheckAccuracyTask):
            batch, other = find(RunBatchTask(table=table), task_class), find(RunTask(), task_class)
            assert batch.make_unique_id() == other.make_unique_id()

    def test_trains_after_the_table_to_score_was_found_right(self, table: str) -> None:
        task = RunBatchTask(table=table)
        assert find(task, GuardTableTask).task_id in {
            each.task_id for each in flatten(find(task, TrainTask).requires())
        }

    def test_trains_on_another_table_than_it_scores(self, table: str) -> None:
        task = RunBatchTask(table=table)
        assert find(task, LoadDataTask).table == ""
        assert find(task, GuardTableTask).table == find(task, ScoreTableTask).table == table

    @pytest.mark.parametrize(
        ("parameters", "changed"),
        [
            ({"require_acc": 0.5}, {CheckAccuracyTask, PublishBatchTask}),
            ({"on_bad_row": "reject"}, {GuardTableTask, ScoreTableTask, PublishBatchTask}),
            ({"max_rejected_share": 0.5}, {GuardTableTask, ScoreTableTask, PublishBatchTask}),
            ({"rows_per_part": 10}, {ScoreTableTask, PublishBatchTask}),
            ({"output_format": "parquet"}, {ScoreTableTask, PublishBatchTask}),
            ({"with_proba": True}, {ScoreTableTask, PublishBatchTask}),
            ({"with_reasons": 2}, {ScoreTableTask, PublishBatchTask}),
            ({"prefix": "other"}, {ScoreTableTask, PublishBatchTask}),
        ],
    )
    def test_gives_a_parameter_to_those_whom_it_concerns(
        self, table: str, parameters: dict[str, Any], changed: set[type]
    ) -> None:
        before, after = RunBatchTask(table=table), RunBatchTask(table=table, **parameters)
        for task_class in (
            LoadDataTask,
            TrainTask,
            CheckAccuracyTask,
            GuardTableTask,
            ScoreTableTask,
            PublishBatchTask,
        ):
            unique_ids = {find(root, task_class).make_unique_id() for root in (before, after)}
            assert (len(unique_ids) == 2) is (task_class in changed), task_class

    def test_is_the_same_for_a_copy_of_the_table_and_another_for_other_rows(self, table: str, tmp_path: Path) -> None:
        (tmp_path / "copy.csv").write_text("id\n1\n")
        (tmp_path / "other.csv").write_text("id\n2\n")
        original, copy, other = (
            find(RunBatchTask(table=path), ScoreTableTask).make_unique_id()
            for path in (table, str(tmp_path / "copy.csv"), str(tmp_path / "other.csv"))
        )
        assert original == copy
        assert original != other

    @pytest.mark.parametrize(
        ("section", "name", "value"),
        [
            ("ScoreTableTask", "rows_per_part", 10),
            ("ScoreTableTask", "output_format", "parquet"),
            ("ScoreTableTask", "with_proba", True),
            ("MakeOutputTask", "with_proba", True),
            ("ScoreTableTask", "with_reasons", 2),
            ("PredTask", "with_reasons", 2),
            ("GuardTableTask", "on_bad_row", "reject"),
            ("GuardTableTask", "max_rejected_share", 0.5),
        ],
    )
    def test_is_configured_in_the_section_of_the_task_that_it_concerns(
        self, table: str, section: str, name: str, value: object
    ) -> None:
        config = luigi.configuration.get_config()
        config.set(f"gokart_pipeline_sample.{section}", name, str(value))
        try:
            assert getattr(RunBatchTask(table=table), name) == value
        finally:
            config.remove_section(f"gokart_pipeline_sample.{section}")

    @pytest.mark.parametrize(
        ("name", "value"),
        [("rows_per_part", "0"), ("output_format", "xlsx"), ("max_rejected_share", "2"), ("with_reasons", "11")],
    )
    def test_refuses_values_that_mean_nothing(self, table: str, name: str, value: str) -> None:
        with pytest.raises(ValueError, match=value):
            RunBatchTask.from_str_params({"table": table, name: value})
