"""The plan: which tasks would run, and why."""

import sys
from collections.abc import Iterable, Iterator, Sequence

from gokart.utils import flatten

from gokart_pipeline_sample.io.s3 import is_s3
from gokart_pipeline_sample.io.targets import S3Target, S3WorkspaceTarget
from gokart_pipeline_sample.utils.task_definition import define_task, hash_code
from gokart_pipeline_sample.utils.template import ViewTask
from pipeline_runner.error_messages import describe
from pipeline_runner.watch.history import History, RunRecord, TaskRecord
from pipeline_runner.watch.recorder import FAILED, RAN, UP_TO_DATE
from pipeline_runner.watch.task_graph import RootTask, Task, TaskGraph, serialize_parameters

RERUN = "rerun is set"


def show_plan(root: RootTask, workspace: str, as_diagram: bool) -> int:
    """Print which tasks would run and why, or draw them with Mermaid; return the exit status, and change nothing."""
    graph = root.graph
    try:
        if graph.error:
            raise graph.error
        reasons, up_to_date = make_plan(graph, History(workspace).records(graph.root.task_family))
    except Exception as error:
        print(f"error: {type(graph.root).__name__}: {describe(error)}", file=sys.stderr)
        return 50  # luigi's scheduling_error
    if as_diagram:
        print(graph.to_mermaid(up_to_date))
    elif reasons:
        width = max(map(len, reasons))
        print(*(f"{name:{width}}  {why}" for name, why in [("would run", "why"), *reasons.items()]), sep="\n")
    else:
        print("nothing would run: all is up to date")
    return 0


def make_plan(graph: TaskGraph, records: Iterable[RunRecord]) -> tuple[dict[str, str], set[str]]:
    """Return why each task would run, by name, and the ids of those that are up to date, as luigi finds them.

    The former are in the order of dependencies, and the latter lack tasks that only these need. The records, newest
    first, are read only if any task would run.
    """
    would_run, up_to_date, forced = set[str](), set[str](), set[str]()
    pending = [graph.root.task_id]
    while pending:
        task_id = pending.pop()
        task = graph.all_tasks[task_id]
        # complete() would delete the output; for a view, that of other tasks.
        if task.rerun:
            forced |= {other for other in graph.resolve_views([task_id]) if not _is_published(graph.all_tasks[other])}
        elif task_id not in forced and task.complete():
            up_to_date.add(task_id)
            continue
        would_run.add(task_id)
        pending += [other for other in graph.all_requirements[task_id] if other not in would_run | up_to_date]
    earlier = [*records] if would_run else []
    reasons = {
        graph.names[task_id]: RERUN if task_id in forced else explain(graph, task_id, earlier)
        for task_id, task in graph.tasks.items()
        if task_id in would_run and not isinstance(task, ViewTask)
    }
    return reasons, up_to_date | graph.resolve_views(up_to_date)


def explain(graph: TaskGraph, task_id: str, records: Sequence[RunRecord]) -> str:
    """Explain why a task has to run, from the records of runs of the same root task, newest first."""
    task, unique_id = graph.tasks[task_id], graph.unique_ids[task_id]
    if task.rerun:
        return RERUN
    if not (found := _find_earlier(task, unique_id, records)):
        return "never run"
    record, earlier = found
    if earlier["unique_id"] == unique_id:
        if earlier["state"] == FAILED:
            return "failed before"
        targets = flatten(task.output())
        kind = "object" if any(is_s3(target.path()) for target in targets) else "output"
        missing = [] if _is_published(task) else [target.path() for target in targets if not target.exists()]
        # After the run nothing is missing, so name all of them.
        return f"{kind} missing, damaged or overwritten: {', '.join(missing or [target.path() for target in targets])}"
    reasons = [*_find_changes(task, record, earlier)]
    known = {other["unique_id"] for other in record["tasks"]}
    inputs = [graph.names[other] for other in graph.inputs(task_id) if graph.unique_ids.get(other, "") not in known]
    if inputs:
        reasons.append(f"input changed: {', '.join(inputs)}")
    # The only remaining reason: the task requires fewer tasks than before.
    return "; ".join(reasons) or "input changed"


def _is_published(task: Task) -> bool:
    """Return whether readers need the output, so that gokart's rerun leaves it there."""
    targets = flatten(task.output())
    return any(isinstance(target, S3Target) and not isinstance(target, S3WorkspaceTarget) for target in targets)


def _find_earlier(task: Task, unique_id: str, records: Sequence[RunRecord]) -> tuple[RunRecord, TaskRecord] | None:
    """Find the task in the last run in which its output existed, or else in the last one in which it failed."""
    parameters = serialize_parameters(task).items()

    def likeness(other: TaskRecord) -> tuple[bool, int]:
        return other["unique_id"] == unique_id, len(parameters & other["parameters"].items())

    for states in ((RAN, UP_TO_DATE), (FAILED,)):
        for record in records:
            namesakes = [other for other in record["tasks"] if other["name"] == type(task).__name__]
            if found := [other for other in namesakes if other["state"] in states]:
                return record, max(found, key=likeness)
    return None


def _find_changes(task: Task, record: RunRecord, earlier: TaskRecord) -> Iterator[str]:
    if task.serialized_task_definition_check:
        definition = define_task(type(task))
        modules = [name for name, code in definition.modules.items() if record["code"].get(name) != hash_code(code)]
        if modules:
            yield f"code changed: {', '.join(modules)}"
        for name, version in definition.libraries.items():
            if record["versions"].get(name) != version:
                yield f"{name} changed: {record['versions'].get(name)} → {version}"
    before, now = earlier["parameters"], serialize_parameters(task)
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            yield f"parameter changed: {name} {_shorten(before.get(name))} → {_shorten(now.get(name))}"


def _shorten(value: str | None) -> str:
    if not value:
        return "none" if value is None else "empty"
    return value if len(value) <= 40 else f"{value[:12]}…"
