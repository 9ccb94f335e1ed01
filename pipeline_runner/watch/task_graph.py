"""The task to run, and the graph of all tasks that it depends on."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, NamedTuple, cast

import luigi
from gokart import ExplicitBoolParameter
from gokart.slack import SlackConfig
from gokart.utils import flatten

from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION, Encryption
from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.utils.template import GokartTask, ViewTask
from pipeline_runner.masking import mask_parameter

Task = GokartTask[Any]


class Edge(NamedTuple):
    """A requirement."""

    source: str  # id of the task that is required
    target: str  # id of the task that requires it
    output: str  # name of the output that is required, if it is only one of several
    is_input: bool  # if not, the target only waits for the source


class TaskGraph:
    """A task and all its dependencies, each once; a ``GetDataTask`` is not a node, but the label of an edge."""

    def __init__(self, root: Task) -> None:
        self.root = root
        # Why requirements cannot be determined; the root is alone then. luigi will hit the same error, and report it.
        self.error: Exception | None = None
        self.unique_ids: dict[str, str] = {}
        # All tasks with their requirements, as luigi sees them, including those that are not nodes of the graph.
        self.all_tasks = {root.task_id: root}
        self.all_requirements: dict[str, dict[str, Task]] = {}
        try:
            pending = [root]
            while pending:
                task = pending.pop()
                requirements = cast("list[Task]", flatten(task.requires()))
                required = self.all_requirements[task.task_id] = {other.task_id: other for other in requirements}
                pending += [other for task_id, other in required.items() if task_id not in self.all_tasks]
                self.all_tasks = required | self.all_tasks
            # A view has no output of its own to identify, and the code that wires all tasks takes long to parse.
            identified = [task for task in self.all_tasks.values() if not isinstance(task, ViewTask)]
            self.unique_ids = {task.task_id: task.make_unique_id() for task in identified}
        except Exception as error:
            self.error, self.all_tasks, self.all_requirements = error, {root.task_id: root}, {root.task_id: {}}
        shown = [task_id for task_id, task in self.all_tasks.items() if not isinstance(task, GetDataTask)]
        self.edges = sorted({edge for task_id in shown for edge in self._find_edges(task_id)})
        sorter = TopologicalSorter({task_id: self.requirements(task_id) for task_id in shown})
        # The number of the layer of each task, next to the last layer of its requirements.
        self.layers: dict[str, int] = {}
        for task_id in sorter.static_order():
            self.layers[task_id] = 1 + max((self.layers[other] for other in self.requirements(task_id)), default=-1)
        layered = sorted(shown, key=lambda each: (self.layers[each], type(self.all_tasks[each]).__name__, each))
        # The requirements of a task come before it.
        self.tasks = {task_id: self.all_tasks[task_id] for task_id in layered}
        self.names, count = dict[str, str](), Counter[str]()
        for task_id, task in self.tasks.items():
            count[name := type(task).__name__] += 1
            self.names[task_id] = name if count[name] == 1 else f"{name}_{count[name]}"

    def _find_edges(self, task_id: str) -> Iterator[Edge]:
        for source, requirement in self.all_requirements[task_id].items():
            output = ""
            while isinstance(view := self.all_tasks[source], GetDataTask):
                output = output or view.name
                source = view.data_task.task_id
            yield Edge(source, task_id, output, requirement.significant)

    def requirements(self, task_id: str) -> set[str]:
        """Return the ids of the tasks that a task requires."""
        return {edge.source for edge in self.edges if edge.target == task_id}

    def inputs(self, task_id: str) -> list[str]:
        """Return the ids of the tasks that a task's identity depends on, in the order of the tasks."""
        sources = {edge.source for edge in self.edges if edge.target == task_id and edge.is_input}
        sources |= self.resolve_views(sources)
        return [other for other in self.tasks if other in sources]

    def resolve_views(self, views: Iterable[str]) -> set[str]:
        """Return the ids of the tasks whose outputs the given views expose."""
        found = [task_id for task_id in views if isinstance(self.all_tasks.get(task_id), ViewTask)]
        shown = {other for task_id in found for other in self.all_requirements[task_id]}
        return shown | self.resolve_views(shown) if shown else set()

    def to_mermaid(self, up_to_date: Collection[str]) -> str:
        """Draw the graph for https://mermaid.js.org, with dashed lines for tasks that would not run."""
        order = list(self.tasks)
        lines = ["flowchart LR"]
        for edge in sorted(self.edges, key=lambda edge: (order.index(edge.source), order.index(edge.target), edge)):
            arrow = f"-- {edge.output} -->" if edge.output else "-->"
            lines.append(f"    {self.names[edge.source]} {arrow} {self.names[edge.target]}")
        if not self.edges:
            lines.append(f"    {self.names[self.root.task_id]}")
        if dashed := [name for task_id, name in self.names.items() if task_id in up_to_date]:
            lines += ["    classDef upToDate stroke-dasharray: 5 5", f"    class {','.join(dashed)} upToDate"]
        return "\n".join(lines)


class Report(luigi.Config):
    """Settings of the report of a run in which a task ran or failed."""

    task_namespace = "gokart_pipeline_sample"

    write: luigi.BoolParameter = ExplicitBoolParameter(default=True, description="Whether to write one.")
    publish: luigi.BoolParameter = ExplicitBoolParameter(default=True, description="Whether to publish it as well.")


class RootTask(NamedTuple):
    """The task to run."""

    arguments: list[str]  # its name and its options, as luigi takes them
    graph: TaskGraph
    report: Report
    slack: SlackConfig
    lock_folder: Path | None = None  # where the running commands hold their locks, if they do
    encryption: Encryption = BUCKET_ENCRYPTION


def serialize_parameters(task: Task) -> dict[str, str]:
    """Return the significant parameters except tasks as masked text, by name; for a table its fingerprint."""
    return {
        name: mask_parameter(name, str(getattr(type(task), name).serialize(value)))
        for name, value in task.plain_parameters().items()
    }
