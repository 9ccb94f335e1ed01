"""A chain of tasks to look at."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.task_register import Register

from gokart_pipeline_sample import RunTask
from gokart_pipeline_sample.monitoring.history import RunRecord
from gokart_pipeline_sample.monitoring.recorder import RAN, Outcome
from gokart_pipeline_sample.monitoring.run_record import make_run_record
from gokart_pipeline_sample.monitoring.task_graph import TaskGraph


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


def make_record(graph: TaskGraph, state: str, **changes: Any) -> RunRecord:
    """Write down a run in which all tasks ended in one state."""
    result = {
        "started": datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        "command": ["gokart_pipeline_sample.RunTask", "--local-scheduler"],
        "exit_status": 0,
        "failure": None,
        "verdict": "published",
        "accuracy": 0.95,
        "required_accuracy": 0.9,
        "rows": 30,
        "published_to": "s3://some-bucket/output.csv",
    }
    outcomes = {task_id: Outcome(state, 0.5) for task_id in graph.tasks}
    return make_run_record(graph, outcomes, [], **{**result, **changes})
