"""The result of a run, and its record."""

from __future__ import annotations

import platform
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from logging import getLogger
from typing import NamedTuple

from gokart_pipeline_sample.errors import PipelineError
from gokart_pipeline_sample.io.s3_target import PublishedFigures, S3CsvTarget
from gokart_pipeline_sample.pipeline.batch.evaluate_published import JoinTruthTask
from gokart_pipeline_sample.pipeline.batch.manifest import S3EvaluationTarget, S3PointerTarget
from gokart_pipeline_sample.pipeline.batch.publish_batch import PublishBatchTask
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.champion.choose_champion import ChooseChampionTask
from gokart_pipeline_sample.pipeline.champion.registry import KEPT, S3ChampionPointer
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import Shift
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.task_definition import define_task, get_version, hash_code
from gokart_pipeline_sample.utils.view import ViewTask
from pipeline_runner.masking import mask_arguments
from pipeline_runner.signals import SIGNALLED
from pipeline_runner.watch.history import RunRecord, TaskRecord
from pipeline_runner.watch.plan import Earlier, explain
from pipeline_runner.watch.recorder import FAILED, NOT_RUN, RAN, STOPPED, UP_TO_DATE, Failure, Outcome
from pipeline_runner.watch.task_graph import TaskGraph, serialize_parameters

logger = getLogger(__name__)

PACKAGES = ("boto3", "gokart", "lightgbm", "luigi", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")
SEEDS = ("random_state", "seed")
NOT_NEEDED = "not needed"
PUBLISHED = "published"


class Publication(NamedTuple):
    """The object that a run publishes, or would publish.

    Args:
        task_id: id of the task that puts it.
        target: the object.
        required_accuracy: the accuracy that the model must exceed, if it is checked.
    """

    task_id: str
    target: S3CsvTarget | S3PointerTarget | S3ChampionPointer | S3EvaluationTarget
    required_accuracy: float | None


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Args:
        started: when it began.
        command: the task and the options that luigi was given.
        exit_status: exit status of the process.
        outcomes: the outcome of each task that luigi has planned, by task id.
        failure: the first failure, if there is one.
        publication: the object that the run publishes, or would publish.
        figures: figures of the object, if the run succeeded and they could be read.
    """

    started: datetime
    command: list[str]
    exit_status: int
    outcomes: dict[str, Outcome]
    failure: Failure | None
    publication: Publication | None
    figures: PublishedFigures | None

    @property
    def needs_report(self) -> bool:
        """Whether a task ran or failed, and no signal has stopped the run."""
        return self.exit_status < SIGNALLED and any(task.state in (RAN, FAILED) for task in self.outcomes.values())

    @property
    def verdict(self) -> str:
        """The result in words; see :class:`RunRecord`."""
        if self.exit_status >= SIGNALLED:
            return "stopped"
        if self.exit_status:
            return "not accurate enough" if self.failure and self.failure.is_low_accuracy else "failed"
        ran = {task_id for task_id, outcome in self.outcomes.items() if outcome.state == RAN}
        if not ran:
            return "up to date"
        if not self.publication or self.publication.task_id not in ran:
            return "done"
        is_choice = isinstance(self.publication.target, S3ChampionPointer)
        decision = (self.figures and self.figures.champion) or ""
        return "champion kept" if is_choice and decision.startswith(KEPT) else PUBLISHED

    def summarize(self, fetch: str) -> dict[str, str]:
        """Return the lines of the summary, by name; none if the run failed or publishes nothing.

        Args:
            fetch: the command that fetches the published object ``{url}``.
        """
        if self.exit_status or not self.publication:
            return {}
        figures = self.figures or PublishedFigures()
        summary = {name: str(value) for name, value in figures._asdict().items() if value is not None}
        if figures.accuracy is not None:
            summary["accuracy"] = f"{figures.accuracy:.4f}"
            if self.publication.required_accuracy is not None:
                summary["accuracy"] += f" (required: more than {self.publication.required_accuracy})"
        if figures.estimated:
            summary["estimated"] = "{:.4f} ({:.4f} to {:.4f})".format(*figures.estimated)
        if figures.alarms:
            summary["alarms"] = str(len(figures.alarms))
        if figures.unseen:
            summary["unseen"] = ", ".join(f"{name} ({rows} rows)" for name, rows in figures.unseen.items())
        url = self.publication.target.path()
        return {**summary, "published": url, "fetch": fetch.format(url=url)}


def find_publication(graph: TaskGraph) -> Publication | None:
    """Return the object that is published last, if any."""
    tasks = graph.tasks.values()
    required_accuracy = next((task.require_acc for task in tasks if isinstance(task, CheckAccuracyTask)), None)
    for task_id, task in reversed(graph.tasks.items()):
        if isinstance(task, (UploadS3Task, PublishBatchTask, ChooseChampionTask, JoinTruthTask)):
            return Publication(task_id, task.output(), required_accuracy)
    return None


def find_figures(publication: Publication) -> PublishedFigures | None:
    """Return the figures of a published object, or None if they cannot be read."""
    try:
        return publication.target.describe()
    except (PipelineError, ValueError, KeyError) as error:
        # The object is published nevertheless.
        logger.warning("%s", error)
        return None


def find_metrics(graph: TaskGraph) -> Metrics | None:
    """Return the metrics of the model, if this run or an earlier one has evaluated it."""
    for task in graph.tasks.values():
        if isinstance(task, EvaluateTask) and task.complete():
            metrics: Metrics = task.output().load()
            return metrics
    return None


def find_shift(graph: TaskGraph) -> Shift | None:
    """Return the shift of the new rows, if this run or an earlier one has scored them."""
    for task in graph.tasks.values():
        if isinstance(task, ScoreTableTask) and task.complete():
            shift: Shift | None = task.output().load()["shift"]
            return shift
    return None


def make_run_record(
    graph: TaskGraph, result: RunResult, metrics: Metrics | None, earlier: Iterable[RunRecord]
) -> RunRecord:
    """Make the record of a run.

    Args:
        graph: its tasks.
        result: its result.
        metrics: the metrics of the model, if the run got that far.
        earlier: earlier runs of the same task, the newest first; read only if a task had to run.
    """
    outcomes, figures, publication = complete_outcomes(graph, result), result.figures, result.publication
    accuracy = metrics["model"]["accuracy"] if metrics else None
    earlier = Earlier(earlier)
    tasks = [_make_task_record(graph, task_id, outcomes[task_id], earlier) for task_id in graph.tasks]
    definitions = [define_task(type(graph.tasks[task_id])) for task_id in graph.tasks if task_id in graph.unique_ids]
    return RunRecord(
        started=result.started.isoformat(timespec="milliseconds"),
        seconds=round((datetime.now(UTC) - result.started).total_seconds(), 3),
        command=mask_arguments(result.command),
        task=graph.family,
        verdict=result.verdict,
        exit_status=result.exit_status,
        failure=result.failure.message if result.failure else None,
        accuracy=figures.accuracy if figures and figures.accuracy is not None else accuracy,
        required_accuracy=publication.required_accuracy if publication else None,
        rows=figures.rows if figures else None,
        rejected=figures.rejected if figures else None,
        unseen=figures.unseen if figures else None,
        estimated=figures.estimated if figures else None,
        alarms=figures.alarms if figures else None,
        champion=figures.champion if figures else None,
        object=publication.target.path() if publication and result.exit_status == 0 else None,
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


def settle(graph: TaskGraph, outcomes: dict[str, Outcome], exit_status: int) -> dict[str, Outcome]:
    """Return the outcomes, with those up to date that another run has made: tasks, and views of such tasks.

    Args:
        graph: the tasks.
        outcomes: the outcomes as this run has seen them.
        exit_status: exit status of the run.
    """
    others = {task_id for task_id, outcome in outcomes.items() if outcome.state == NOT_RUN and not exit_status}
    ran = {task_id for task_id, outcome in outcomes.items() if outcome.state == RAN}
    views = {task_id for task_id in ran if isinstance(graph.all_tasks.get(task_id), ViewTask)}
    settled = {view for view in views if not graph.resolve_views([view]) & (ran - views)}
    return outcomes | dict.fromkeys(settled | others, Outcome(UP_TO_DATE))


def complete_outcomes(graph: TaskGraph, result: RunResult) -> dict[str, Outcome]:
    """Return the outcomes of all tasks, including those that luigi has not checked."""
    up_to_date = [task_id for task_id, outcome in result.outcomes.items() if outcome.state == UP_TO_DATE]
    outcomes = dict.fromkeys(graph.resolve_views(up_to_date), Outcome(UP_TO_DATE)) | result.outcomes
    for task_id in reversed(graph.tasks):
        # luigi does not check the requirements of a task that is up to date or cannot be planned.
        users = [outcomes[edge.target].state for edge in graph.edges if edge.source == task_id]
        outcomes.setdefault(task_id, Outcome(NOT_RUN if {FAILED, NOT_RUN} & set(users) else NOT_NEEDED))
    return outcomes


def _make_task_record(graph: TaskGraph, task_id: str, outcome: Outcome, earlier: Earlier) -> TaskRecord:
    task = graph.tasks[task_id]
    had_to_run = outcome.state in (NOT_RUN, STOPPED, RAN, FAILED) and task_id in graph.unique_ids
    return TaskRecord(
        name=type(task).__name__,
        unique_id=graph.unique_ids.get(task_id, ""),
        parameters=serialize_parameters(task),
        state=outcome.state,
        seconds=outcome.seconds,
        why=explain(graph, task_id, earlier) if had_to_run else None,
    )
