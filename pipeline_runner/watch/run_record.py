"""The result of a run, and its record."""

import platform
import shlex
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from logging import getLogger
from typing import Any, cast

from gokart_pipeline_sample.errors import PipelineError
from gokart_pipeline_sample.pipeline.model.decision import ARGMAX
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.quality.find_warnings import shorten
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, ShownTask
from gokart_pipeline_sample.utils.task_definition import define_task, get_version, hash_code
from gokart_pipeline_sample.utils.template import ViewTask
from pipeline_runner.masking import mask_arguments
from pipeline_runner.signals import SIGNALLED
from pipeline_runner.watch.history import RunRecord, TaskRecord, show_figure
from pipeline_runner.watch.plan import explain
from pipeline_runner.watch.recorder import FAILED, NOT_NEEDED, NOT_RUN, RAN, UP_TO_DATE, Note, find_failure
from pipeline_runner.watch.task_graph import RootTask, TaskGraph, serialize_parameters

logger = getLogger(__name__)

PACKAGES = ("boto3", "gokart", "lightgbm", "luigi", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")
SEEDS = ("random_state", "seed")
UNKNOWN = Published(Figures())


@dataclass(frozen=True)
class RunResult:
    """The result of a run."""

    root: RootTask
    started: datetime
    exit_status: int
    outcomes: dict[str, Note]  # of each task, by task id; nothing if luigi has looked at no task
    failure: Note | None = None  # the first one
    published: Published = UNKNOWN  # if the object is there and could be read

    @property
    def publisher(self) -> PublisherTask[Any] | None:
        """The task that publishes last, if any."""
        tasks = reversed(self.root.graph.tasks.values())
        return next((task for task in tasks if isinstance(task, PublisherTask)), None)

    @property
    def is_published(self) -> bool:
        """Whether the object is there, even if its alarms fail the run."""
        outcome = self.outcomes.get(self.publisher.task_id) if self.publisher else None
        return outcome is not None and outcome.state in (RAN, UP_TO_DATE) and self.exit_status < SIGNALLED

    def find_required(self, name: str) -> Any:
        """Return the ``require_acc`` or ``require`` of the published model, if it is checked."""
        tasks = self.root.graph.tasks.values() if self.publisher else []
        required = (getattr(task, name) for task in tasks if isinstance(task, ShownTask))
        return next((each for each in required if each not in (None, "")), None)

    @property
    def figures(self) -> Figures:
        """The figures of what is published, and the decision of the model that this run has trained."""
        tasks = self.root.graph.tasks.values()
        decisions = [task.decision for task in tasks if isinstance(task, PredTask) and task.decision != ARGMAX]
        return {"decision": next(iter(decisions), None), **self.published.figures}

    @property
    def needs_report(self) -> bool:
        """Whether a task ran or failed, and no signal has stopped the run."""
        return self.exit_status < SIGNALLED and any(task.state in (RAN, FAILED) for task in self.outcomes.values())

    @property
    def verdict(self) -> str:
        """The result in words; see :class:`RunRecord`."""
        if self.exit_status >= SIGNALLED:
            return "stopped"
        if self.publisher and self.outcomes[self.publisher.task_id].state == RAN:
            number = len(self.published.figures.get("alarms") or ())
            alarms = f" with {number} {'alarm' if number == 1 else 'alarms'}" if number else ""
            return f"{self.published.verdict}{alarms}"
        if self.exit_status:
            return "not accurate enough" if self.failure and self.failure.is_low_accuracy else "failed"
        return "done" if any(task.state == RAN for task in self.outcomes.values()) else "up to date"

    def summarize(self, report: str | None, fetch: str = "") -> dict[str, str]:
        """Return by name what is published, the command ``fetch`` for its ``{url}`` or ``{key}``, and the report."""
        reported = {"report": report} if report else {}
        if not self.publisher or not self.is_published:
            return reported
        figures = self.figures
        summary = {name: str(value) for name, value in figures.items() if value not in (None, [])}
        accuracy, require = map(self.find_required, ("require_acc", "require"))
        required = require if accuracy is None else f"more than {accuracy}"
        required = f" (required: {required})" if required else ""
        unit = f" {PreprocessedSchema.target_unit()}".rstrip()
        for name in {"accuracy", "mae"} & summary.keys():
            summary[name] = f"{show_figure(float(summary[name]), name == 'mae')}{unit}{required}"
        if estimated := figures.get("estimated"):
            value, low, high = (show_figure(each, "mae" in summary) for each in estimated)
            summary["estimated"] = f"{value}{unit} ({low} to {high})"
        if alarms := figures.get("alarms"):
            summary["alarms"] = f"{len(alarms)}: {shorten(alarms, '; ')}"
        if unseen := figures.get("unseen"):
            summary["unseen"] = ", ".join(f"{name} ({rows} rows)" for name, rows in unseen.items())
        target, url = self.publisher.output(), self.publisher.output().path()
        fetching = {"fetch": fetch.format(url=shlex.quote(url), key=shlex.quote(target.key))} if fetch else {}
        return {**summary, "published": url, **fetching, **reported}


def make_result(root: RootTask, notes: Sequence[Note], started: float, exit_status: int) -> RunResult:
    """Collect the result of a run when luigi has ended; it started at that time of ``time.monotonic()``."""
    outcomes = merge_outcomes(root.graph, notes, exit_status)
    began = datetime.now(UTC) - timedelta(seconds=time.monotonic() - started)
    result = RunResult(root, began, exit_status, outcomes, find_failure(notes))
    if result.publisher and result.is_published:
        try:
            return replace(result, published=result.publisher.describe())
        except (PipelineError, ValueError, KeyError) as error:
            # The object is published nevertheless.
            logger.warning("%s", error)
    return result


def merge_outcomes(graph: TaskGraph, notes: Iterable[Note], exit_status: int) -> dict[str, Note]:
    """Return the outcome of each task, including those that luigi has not checked; nothing without notes of tasks."""
    # A task is planned once for each task that needs it, also after it has run.
    by_state = sorted(notes, key=lambda note: note.state != NOT_RUN)
    outcomes = {note.task_id: note for note in by_state if note.task_id}
    if not outcomes:
        return {}
    # A run that succeeds without some of its tasks has left them to another run, and so the views of these.
    others = {task_id for task_id, outcome in outcomes.items() if outcome.state == NOT_RUN and exit_status == 0}
    ran = {task_id for task_id, outcome in outcomes.items() if outcome.state == RAN}
    views = {task_id for task_id in ran if isinstance(graph.all_tasks.get(task_id), ViewTask)}
    others |= {view for view in views if not graph.resolve_views([view]) & (ran - views)}
    outcomes |= {task_id: Note(task_id, UP_TO_DATE) for task_id in others}
    up_to_date = [task_id for task_id, outcome in outcomes.items() if outcome.state == UP_TO_DATE]
    outcomes = {view: Note(view, UP_TO_DATE) for view in graph.resolve_views(up_to_date)} | outcomes
    for task_id in reversed(graph.tasks):
        # luigi does not check the requirements of a task that is up to date or cannot be planned.
        users = [outcomes[edge.target].state for edge in graph.edges if edge.source == task_id]
        outcomes.setdefault(task_id, Note(task_id, NOT_RUN if {FAILED, NOT_RUN} & set(users) else NOT_NEEDED))
    return outcomes


def find_document(graph: TaskGraph, name: str) -> Any:
    """Return the ``metrics`` or the ``shift``, if this run or an earlier one has made it; None otherwise."""
    shown = (task for task in graph.tasks.values() if isinstance(task, ShownTask) and task.document == name)
    return next((task.load_document() for task in shown if task.complete()), None)


def make_run_record(result: RunResult, metrics: Metrics | None, earlier: Sequence[RunRecord]) -> RunRecord:
    """Make the record of a run, given earlier runs of the same task, newest first."""
    graph, publisher = result.root.graph, result.publisher
    outcomes = result.outcomes
    had_to_run = {each for each, outcome in outcomes.items() if outcome.state not in (UP_TO_DATE, NOT_NEEDED)}
    tasks = [
        TaskRecord(
            name=type(task).__name__,
            unique_id=graph.unique_ids.get(task_id, ""),
            parameters=serialize_parameters(task),
            state=outcomes[task_id].state,
            seconds=outcomes[task_id].seconds,
            why=explain(graph, task_id, earlier) if task_id in had_to_run & graph.unique_ids.keys() else None,
        )
        for task_id, task in graph.tasks.items()
    ]
    seeds = {
        f"{task['name']}.{name}": value for task in tasks for name, value in task["parameters"].items() if name in SEEDS
    }
    definitions = [define_task(type(graph.tasks[task_id])) for task_id in graph.tasks if task_id in graph.unique_ids]
    figures = cast("Figures", {**dict.fromkeys(Figures.__annotations__), **result.figures})
    if figures["accuracy"] is None and figures["mae"] is None and metrics:
        figures |= cast("Figures", {name: value for name, value in metrics["model"].items() if name in figures})
    return RunRecord(
        **figures,
        started=result.started.isoformat(timespec="milliseconds"),
        seconds=round((datetime.now(UTC) - result.started).total_seconds(), 3),
        command=mask_arguments(result.root.arguments),
        task=graph.root.task_family,
        verdict=result.verdict,
        exit_status=result.exit_status,
        failure=result.failure.message if result.failure else None,
        required_accuracy=result.find_required("require_acc"),
        object=publisher.output().path() if publisher and result.is_published else None,
        versions={"python": platform.python_version(), **{name: get_version(name) for name in PACKAGES}},
        seeds=seeds,
        code={name: hash_code(code) for definition in definitions for name, code in definition.modules.items()},
        tasks=tasks,
    )
