"""Records of runs that never were."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pipeline_runner.history import RunRecord
from pipeline_runner.recorder import Outcome
from pipeline_runner.run_record import make_run_record
from pipeline_runner.task_graph import TaskGraph


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
        "rejected": None,
        "published_to": "s3://some-bucket/output.csv",
    }
    outcomes = {task_id: Outcome(state, 0.5) for task_id in graph.tasks}
    return make_run_record(graph, outcomes, [], **{**result, **changes})
