"""A chain of tasks to look at."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import luigi
import pytest
from luigi.task_register import Register
from support.records import make_record

from gokart_pipeline_sample import RunTask
from pipeline_runner.watch.history import RunRecord
from pipeline_runner.watch.recorder import RAN
from pipeline_runner.watch.task_graph import TaskGraph


@pytest.fixture(autouse=True)
def workspace(tmp_path: Path) -> Iterator[Path]:
    """A workspace and a bucket, as the configuration would name them."""
    settings = {
        ("TaskOnKart", "workspace_directory"): str(tmp_path),
        ("gokart_pipeline_sample.UploadS3Task", "bucket"): "some-bucket",
    }
    config = luigi.configuration.get_config()
    for (section, name), value in settings.items():
        config.set(section, name, value)
    Register.clear_instance_cache()
    yield tmp_path
    for section, _ in settings:
        config.remove_section(section)
    Register.clear_instance_cache()


@pytest.fixture
def graph() -> TaskGraph:
    return TaskGraph(RunTask())


@pytest.fixture
def record(graph: TaskGraph) -> RunRecord:
    """A run in which every task ran."""
    return make_record(graph, RAN)
