from __future__ import annotations

import gokart
import pandas as pd

from gokart_pipeline_sample import RunNestTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.utils.template import GokartTask
from pipeline_runner.watch.task_graph import TaskGraph


class TwoTask(GokartTask[pd.DataFrame]):
    """Needs two tasks of one class."""

    one: gokart.TaskInstanceParameter = gokart.TaskInstanceParameter()
    other: gokart.TaskInstanceParameter = gokart.TaskInstanceParameter()


def make_two() -> TaskGraph:
    loaded = LoadDataTask()
    once = PreprocessTask(data_task=loaded)
    return TaskGraph(TwoTask(one=once, other=PreprocessTask(data_task=once)))


class TestTaskGraph:
    def test_has_each_task_once_after_what_it_needs(self, graph: TaskGraph) -> None:
        names = [type(task).__name__ for task in graph.tasks.values()]
        assert sorted(names) == sorted(set(names))
        assert {"LoadDataTask", "EvaluateTask", "RunTask"} <= set(names)
        places = {task_id: place for place, task_id in enumerate(graph.tasks)}
        assert graph.edges
        assert all(places[edge.source] < places[edge.target] for edge in graph.edges)

    def test_names_outputs_instead_of_showing_views_of_them(self, graph: TaskGraph) -> None:
        named = {(graph.names[edge.source], edge.output, graph.names[edge.target]) for edge in graph.edges}
        assert ("SplitDataTask", "train", "TrainTask") in named
        assert ("SplitDataTask", "valid", "TrainTask") in named
        assert not any("GetDataTask" in edge for edge in named)

    def test_tells_tasks_of_one_class_apart(self) -> None:
        graph = make_two()
        assert list(graph.names.values()) == ["LoadDataTask", "PreprocessTask", "PreprocessTask_2", "TwoTask"]
        (two,) = (task_id for task_id, name in graph.names.items() if name == "TwoTask")
        assert {graph.names[other] for other in graph.requirements(two)} == {"PreprocessTask", "PreprocessTask_2"}


class TestToMermaid:
    def test_draws_an_arrow_for_each_output(self) -> None:
        assert make_two().to_mermaid([]) == "\n".join(
            [
                "flowchart LR",
                "    LoadDataTask --> PreprocessTask",
                "    PreprocessTask --> PreprocessTask_2",
                "    PreprocessTask --> TwoTask",
                "    PreprocessTask_2 --> TwoTask",
            ]
        )

    def test_shows_what_is_up_to_date(self) -> None:
        graph = make_two()
        drawn = graph.to_mermaid(list(graph.tasks)[:2])
        assert drawn.splitlines()[-2:] == [
            "    classDef upToDate stroke-dasharray: 5 5",
            "    class LoadDataTask,PreprocessTask upToDate",
        ]

    def test_draws_a_task_that_needs_none(self) -> None:
        assert TaskGraph(LoadDataTask()).to_mermaid([]) == "flowchart LR\n    LoadDataTask"

    def test_draws_a_nested_chain(self) -> None:
        drawn = TaskGraph(RunNestTask()).to_mermaid([])
        assert "SplitDataTask --> PrepareDataTask" in drawn
        assert "PrepareDataTask -- test --> PredTask" in drawn
