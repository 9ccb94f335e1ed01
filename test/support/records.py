"""Records of runs that never were."""

from __future__ import annotations

from datetime import UTC, datetime

from gokart_pipeline_sample.io.s3_target import PublishedFigures
from pipeline_runner.watch.history import RunRecord
from pipeline_runner.watch.recorder import Outcome
from pipeline_runner.watch.run_record import RunResult, find_publication, make_run_record
from pipeline_runner.watch.task_graph import TaskGraph


def make_result(graph: TaskGraph, state: str) -> RunResult:
    """Make up a run in which all tasks ended in one state."""
    return RunResult(
        started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        command=["gokart_pipeline_sample.RunTask", "--local-scheduler"],
        exit_status=0,
        outcomes={task_id: Outcome(state, 0.5) for task_id in graph.tasks},
        failure=None,
        publication=find_publication(graph),
        figures=PublishedFigures(accuracy=0.95, rows=30),
    )


def make_record(graph: TaskGraph, state: str) -> RunRecord:
    """Record a run in which all tasks ended in one state."""
    return make_run_record(graph, make_result(graph, state), None, [])
