from __future__ import annotations

from collections.abc import Iterator

import gokart
import luigi
import pytest
from gokart.utils import flatten

from gokart_pipeline_sample import RunNestTask, RunTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task


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
