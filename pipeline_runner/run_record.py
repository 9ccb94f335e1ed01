"""The record of a run."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from datetime import UTC, datetime

from gokart_pipeline_sample.utils.task_definition import define_task, get_version
from pipeline_runner.history import RunRecord, TaskRecord
from pipeline_runner.plan import Earlier, explain, hash_code
from pipeline_runner.recorder import FAILED, NOT_RUN, RAN, STOPPED, UP_TO_DATE, Failure, Outcome
from pipeline_runner.task_graph import TaskGraph

PACKAGES = ("boto3", "gokart", "lightgbm", "luigi", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")
SEEDS = ("random_state", "seed")
NOT_NEEDED = "not needed"


def make_run_record(
    graph: TaskGraph,
    outcomes: dict[str, Outcome],
    earlier: Iterable[RunRecord],
    *,
    started: datetime,
    command: list[str],
    exit_status: int,
    failure: Failure | None,
    verdict: str,
    accuracy: float | None,
    required_accuracy: float | None,
    rows: int | None,
    rejected: int | None,
    published_to: str | None,
) -> RunRecord:
    """Write down a run.

    Args:
        graph: its tasks.
        outcomes: what became of them, by task id; of those that are not named luigi has not asked.
        earlier: earlier runs of the same task, the newest first; read only if a task had to run.
        started: when it began.
        command: what luigi was asked for.
        exit_status: what the process exits with.
        failure: what went wrong first, if anything did.
        verdict: what came of it; see :class:`RunRecord`.
        accuracy: that of the model.
        required_accuracy: what it must exceed.
        rows: how many are published.
        rejected: how many of a batch are not.
        published_to: URI of the object that is there.
    """
    up_to_date = [task_id for task_id, outcome in outcomes.items() if outcome.state == UP_TO_DATE]
    outcomes = dict.fromkeys(graph.shown_by(up_to_date), Outcome(UP_TO_DATE)) | outcomes
    for task_id in reversed(graph.tasks):
        # luigi asks no more of what a task needs once that is up to date, or cannot be planned.
        users = [outcomes[edge.target].state for edge in graph.edges if edge.source == task_id]
        outcomes.setdefault(task_id, Outcome(NOT_RUN if {FAILED, NOT_RUN} & set(users) else NOT_NEEDED))
    earlier = Earlier(earlier)
    tasks = [_make_task_record(graph, task_id, outcomes[task_id], earlier) for task_id in graph.tasks]
    definitions = [define_task(type(graph.tasks[task_id])) for task_id in graph.tasks if task_id in graph.unique_ids]
    return RunRecord(
        started=started.isoformat(timespec="milliseconds"),
        seconds=round((datetime.now(UTC) - started).total_seconds(), 3),
        command=command,
        task=graph.family,
        verdict=verdict,
        exit_status=exit_status,
        failure=failure.message if failure else None,
        accuracy=accuracy,
        required_accuracy=required_accuracy,
        rows=rows,
        rejected=rejected,
        object=published_to,
        versions={"python": platform.python_version(), **{name: get_version(name) for name in PACKAGES}},
        seeds={
            f"{task['name']}.{name}": value
            for task in tasks
            for name, value in task["parameters"].items()
            if name in SEEDS
        },
        code={name: hash_code(code) for definition in definitions for name, code in definition.modules.items()},
        tasks=tasks,
    )


def _make_task_record(graph: TaskGraph, task_id: str, outcome: Outcome, earlier: Earlier) -> TaskRecord:
    task = graph.tasks[task_id]
    had_to_run = outcome.state in (NOT_RUN, STOPPED, RAN, FAILED) and task_id in graph.unique_ids
    return TaskRecord(
        name=type(task).__name__,
        unique_id=graph.unique_ids.get(task_id, ""),
        parameters=task.serialize_parameters(),
        state=outcome.state,
        seconds=outcome.seconds,
        why=explain(graph, task_id, earlier) if had_to_run else None,
    )
