"""Records of runs that never were."""

from __future__ import annotations

from datetime import UTC, datetime

from gokart.slack import SlackConfig

from gokart_pipeline_sample.utils.shown_task import Figures, Published
from pipeline_runner.watch.history import RunRecord
from pipeline_runner.watch.recorder import Note
from pipeline_runner.watch.run_record import RunResult, make_run_record
from pipeline_runner.watch.task_graph import Report, RootTask, TaskGraph


def make_result(graph: TaskGraph, state: str) -> RunResult:
    """Make up a run in which all tasks ended in one state."""
    return RunResult(
        root=RootTask(["gokart_pipeline_sample.RunTask", "--local-scheduler"], graph, Report(), SlackConfig()),
        started=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        exit_status=0,
        outcomes={task_id: Note(task_id, state, 0.5) for task_id in graph.tasks},
        published=Published(Figures(accuracy=0.95, rows=30)),
    )


def make_record(graph: TaskGraph, state: str) -> RunRecord:
    """Record a run in which all tasks ended in one state."""
    return make_run_record(make_result(graph, state), None, [])
