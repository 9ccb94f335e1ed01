from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from gokart.slack import SlackConfig
from support.records import make_record

from gokart_pipeline_sample import RunBatchTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from pipeline_runner.watch.history import RunRecord, TaskRecord
from pipeline_runner.watch.plan import explain, make_plan, show_plan
from pipeline_runner.watch.task_graph import Report, RootTask, TaskGraph

Change = Callable[[RunRecord], object]


def find(graph: TaskGraph, name: str) -> str:
    return next(task_id for task_id, known in graph.names.items() if known == name)


def task_of(record: RunRecord, name: str) -> TaskRecord:
    return next(task for task in record["tasks"] if task["name"] == name)


def rename(record: RunRecord, *names: str) -> None:
    """Have tasks be others than those of now."""
    for name in names:
        task_of(record, name)["unique_id"] = f"another {name}"


class TestExplain:
    def why(self, graph: TaskGraph, name: str, *records: RunRecord) -> str:
        return explain(graph, find(graph, name), records)

    def test_a_task_that_never_ran(self, graph: TaskGraph) -> None:
        assert self.why(graph, "TrainTask") == "never run"

    def test_an_object_that_is_gone(self, graph: TaskGraph, record: RunRecord) -> None:
        assert self.why(graph, "UploadS3Task", record) == (
            "object missing, damaged or overwritten: s3://some-bucket/output.csv"
        )

    def test_a_file_that_is_gone(self, graph: TaskGraph, record: RunRecord, workspace: Path) -> None:
        assert self.why(graph, "TrainTask", record).startswith(
            f"output missing, damaged or overwritten: {workspace}/TrainTask_"
        )

    @pytest.mark.parametrize(
        ("name", "change", "why"),
        [
            pytest.param(
                "TrainTask",
                lambda record: task_of(record, "TrainTask")["parameters"].update(learning_rate="0.5"),
                "parameter changed: learning_rate 0.5 → 0.05",
                id="another value",
            ),
            pytest.param(
                "TrainTask",
                lambda record: task_of(record, "TrainTask")["parameters"].pop("num_leaves"),
                "parameter changed: num_leaves none → 31",
                id="a new parameter",
            ),
            pytest.param(
                "TrainTask",
                lambda record: task_of(record, "TrainTask")["parameters"].update(max_depth="3"),
                "parameter changed: max_depth 3 → none",
                id="a parameter that is no more",
            ),
            pytest.param(
                "LoadDataTask",
                lambda record: task_of(record, "LoadDataTask")["parameters"].update(table="ab" * 32),
                "parameter changed: table abababababab… → empty",
                id="another table",
            ),
            pytest.param(
                "PreprocessTask",
                lambda record: record["code"].update({"gokart_pipeline_sample.pipeline.preprocess": "0"}),
                "code changed: gokart_pipeline_sample.pipeline.preprocess",
                id="code",
            ),
            pytest.param(
                "TrainTask",
                lambda record: record["versions"].update(lightgbm="1.0"),
                "lightgbm changed: 1.0 → ",
                id="library",
            ),
            pytest.param(
                "PredTask",
                lambda record: rename(record, "TrainTask"),
                "input changed: TrainTask",
                id="one input",
            ),
            pytest.param(
                "PredTask",
                lambda record: rename(record, "TrainTask", "SplitDataTask"),
                "input changed: SplitDataTask, TrainTask",
                id="two inputs",
            ),
        ],
    )
    def test_what_is_different(self, graph: TaskGraph, record: RunRecord, name: str, change: Change, why: str) -> None:
        rename(record, name)
        change(record)
        assert self.why(graph, name, record).startswith(why)

    def test_everything_that_is_different(self, graph: TaskGraph, record: RunRecord) -> None:
        rename(record, "TrainTask", "SplitDataTask")
        task_of(record, "TrainTask")["parameters"].update(seed="1", num_leaves="7")
        assert self.why(graph, "TrainTask", record) == (
            "parameter changed: num_leaves 7 → 31; parameter changed: seed 1 → 42; input changed: SplitDataTask"
        )

    def test_compares_with_the_last_run_that_had_the_output(self, graph: TaskGraph, record: RunRecord) -> None:
        rename(record, "TrainTask")
        older, failed, stopped = (copy.deepcopy(record) for _ in range(3))
        task_of(older, "TrainTask")["parameters"].update(seed="1")
        task_of(record, "TrainTask")["parameters"].update(seed="2")
        task_of(failed, "TrainTask").update(state="failed", parameters={"seed": "3"})
        task_of(stopped, "TrainTask").update(state="stopped", parameters={"seed": "4"})
        assert self.why(graph, "TrainTask", stopped, failed, record, older) == "parameter changed: seed 2 → 42"

    def test_a_task_that_only_ever_failed(self, graph: TaskGraph, record: RunRecord) -> None:
        task_of(record, "TrainTask")["state"] = "failed"
        assert self.why(graph, "TrainTask", record) == "failed before"

    def test_a_task_that_only_ever_failed_in_another_way(self, graph: TaskGraph, record: RunRecord) -> None:
        rename(record, "TrainTask")
        task_of(record, "TrainTask")["state"] = "failed"
        task_of(record, "TrainTask")["parameters"]["seed"] = "1"
        assert self.why(graph, "TrainTask", record) == "parameter changed: seed 1 → 42"

    def test_what_is_only_waited_for_is_no_input(self, workspace: Path) -> None:
        (workspace / "table.csv").write_text("id\n1\n")
        graph = TaskGraph(RunBatchTask(table=str(workspace / "table.csv")))
        record = make_record(graph, "ran")
        rename(record, "ScoreTableTask", "CheckAccuracyTask", "TrainTask")
        assert self.why(graph, "ScoreTableTask", record) == "input changed: TrainTask"

    def test_names_the_file_that_is_gone(self, graph: TaskGraph, record: RunRecord, flowers: pd.DataFrame) -> None:
        split = graph.tasks[find(graph, "SplitDataTask")]
        for name in ("train", "test"):
            split.dump(flowers, name)
        assert self.why(graph, "SplitDataTask", record) == (
            "output missing, damaged or overwritten: " + split.output()["valid"].path()
        )


class TestShowPlan:
    @pytest.mark.parametrize(
        ("is_there", "lines"),
        [
            (False, ["would run          why", "LoadDataTask       never run"]),
            (True, ["nothing would run: all is up to date"]),
        ],
    )
    def test_shows_a_line_for_each_task(
        self,
        graph: TaskGraph,
        workspace: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
        is_there: bool,
        lines: list[str],
    ) -> None:
        monkeypatch.setattr("gokart_pipeline_sample.io.targets.S3CsvTarget.exists", lambda _: is_there)
        root = RootTask(["gokart_pipeline_sample.RunTask"], graph, Report(), SlackConfig())
        assert show_plan(root, str(workspace), as_diagram=False) == 0
        assert capsys.readouterr().out.splitlines()[:2] == lines


class TestMakePlan:
    def test_everything_on_a_first_run(self, graph: TaskGraph, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gokart_pipeline_sample.io.targets.S3CsvTarget.exists", lambda _: False)
        reasons, up_to_date = make_plan(graph, [])
        assert up_to_date == set()
        assert set(reasons) == set(graph.names.values()) - {"RunTask"}
        assert set(reasons.values()) == {"never run"}

    def test_nothing_when_the_object_is_there(self, graph: TaskGraph, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("gokart_pipeline_sample.io.targets.S3CsvTarget.exists", lambda _: True)
        reasons, up_to_date = make_plan(graph, iter(lambda: pytest.fail("no record is needed"), None))
        assert reasons == {}
        assert {graph.names[task_id] for task_id in up_to_date} == {"UploadS3Task", "RunTask"}

    def test_asks_for_the_outputs_that_are_needed_as_luigi_does(
        self, graph: TaskGraph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("gokart_pipeline_sample.io.targets.S3CsvTarget.exists", lambda _: False)
        split = graph.tasks[find(graph, "SplitDataTask")]
        outputs = {name: Path(target.path()) for name, target in split.output().items()}
        for name in outputs:
            split.dump(pd.DataFrame({"id": [1]}), name)
        assert "SplitDataTask" not in make_plan(graph, [])[0]
        outputs["test"].unlink()
        assert "SplitDataTask" in make_plan(graph, [])[0]
        predicted = TaskGraph(graph.tasks[find(graph, "TrainTask")])
        assert list(make_plan(predicted, [])[0]) == ["TrainTask"]

    def test_deletes_nothing_that_is_to_be_made_again(self, workspace: Path) -> None:
        graph = TaskGraph(PrepareDataTask())
        damaged = Path(graph.tasks[find(graph, "LoadDataTask")].output().path())
        damaged.write_bytes(b"PAR1")
        assert "LoadDataTask" in make_plan(graph, [])[0]
        assert [path.name for path in workspace.iterdir()] == [damaged.name]

    def test_a_view_that_reruns_would_delete_what_it_shows(self) -> None:
        reasons, _ = make_plan(TaskGraph(PrepareDataTask(rerun=True)), [])
        assert reasons["SplitDataTask"] == "rerun is set"

    def test_deletes_nothing_with_rerun(self) -> None:
        task = LoadDataTask(rerun=True)
        output = Path(task.output().path())
        output.write_bytes(b"PAR1 and so on PAR1")
        assert make_plan(TaskGraph(task), [])[0] == {"LoadDataTask": "rerun is set"}
        assert output.exists()
