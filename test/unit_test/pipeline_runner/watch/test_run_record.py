from __future__ import annotations

import dataclasses

import luigi
import pytest
from support.number import make_number_metrics, predict_number
from support.records import make_result

from gokart_pipeline_sample import RunNestTask, RunTask
from gokart_pipeline_sample.pipeline.champion.run_champion import TrainChampionTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from gokart_pipeline_sample.utils.shown_task import Figures, Published
from pipeline_runner.watch.recorder import FAILED, NOT_NEEDED, NOT_RUN, RAN, STOPPED, UP_TO_DATE, Note
from pipeline_runner.watch.run_record import find_document, make_run_record, merge_outcomes
from pipeline_runner.watch.task_graph import TaskGraph


class TestPublisher:
    def test_is_the_upload(self) -> None:
        graph = TaskGraph(RunNestTask(require_acc=0.7))
        result = make_result(graph, RAN)
        assert graph.names[result.publisher.task_id] == "UploadS3Task"
        assert result.publisher.output().path() == "s3://some-bucket/output.csv"
        assert result.find_required("require_acc") == 0.7

    def test_is_there_without_a_run_task(self, graph: TaskGraph) -> None:
        upload = make_result(graph, RAN).publisher
        assert make_result(TaskGraph(upload), RAN).publisher is upload

    def test_is_none_where_nothing_is_put(self) -> None:
        result = make_result(TaskGraph(PrepareDataTask()), RAN)
        assert (result.publisher, result.find_required("require_acc"), result.verdict) == (None, None, "done")


class TestMergeOutcomes:
    def test_are_those_of_the_notes_and_of_what_they_imply(self, graph: TaskGraph) -> None:
        load, preprocess, split, *_ = tasks = list(graph.tasks)
        notes = [
            *(Note(task, NOT_RUN) for task in (split, preprocess)),
            Note(load, UP_TO_DATE),
            Note(load, NOT_RUN),
            Note(None, FAILED, message="no"),
            Note(preprocess, STOPPED),
            Note(preprocess, RAN, 1.5),
            Note(split, STOPPED),
        ]
        outcomes = merge_outcomes(graph, notes, 40)
        assert [outcomes[task] for task in tasks[:3]] == [
            Note(load, UP_TO_DATE),
            Note(preprocess, RAN, 1.5),
            Note(split, STOPPED),
        ]
        assert {outcomes[task].state for task in tasks[3:]} == {NOT_NEEDED}

    def test_are_none_if_luigi_has_looked_at_no_task(self, graph: TaskGraph) -> None:
        assert merge_outcomes(graph, [], 10) == {}
        assert merge_outcomes(graph, [Note(None, FAILED, message="no")], 4) == {}

    def test_what_only_an_up_to_date_task_needs_is_not_needed(self, graph: TaskGraph) -> None:
        outcomes = merge_outcomes(graph, [Note(graph.root.task_id, UP_TO_DATE)], 0)
        states = {graph.names[task_id]: outcomes[task_id].state for task_id in graph.tasks}
        assert [name for name, state in states.items() if state == UP_TO_DATE] == ["UploadS3Task", "RunTask"]
        assert {state for name, state in states.items() if name not in ("UploadS3Task", "RunTask")} == {NOT_NEEDED}

    def test_what_a_failure_keeps_from_running_is_not_run(self, graph: TaskGraph) -> None:
        outcomes = merge_outcomes(graph, [Note(graph.root.task_id, FAILED, message="no")], 50)
        assert {outcomes[task_id].state for task_id in graph.tasks if task_id != graph.root.task_id} == {NOT_RUN}

    def test_a_view_of_what_another_run_has_made_is_up_to_date(self, graph: TaskGraph) -> None:
        publisher = make_result(graph, RAN).publisher.task_id
        notes = [Note(task_id, RAN) for task_id in graph.all_tasks]
        assert merge_outcomes(graph, notes, 0) == {task_id: Note(task_id, RAN) for task_id in graph.all_tasks}
        merged = merge_outcomes(graph, [*notes, Note(publisher, UP_TO_DATE)], 0)
        assert {task_id for task_id, outcome in merged.items() if outcome.state == UP_TO_DATE} == {
            publisher,
            graph.root.task_id,
        }

    @pytest.mark.parametrize(("exit_status", "state"), [(0, UP_TO_DATE), (40, NOT_RUN)])
    def test_what_this_run_has_left_to_another_is_up_to_date_if_it_succeeds(
        self, graph: TaskGraph, exit_status: int, state: str
    ) -> None:
        merged = merge_outcomes(graph, [Note(task_id, NOT_RUN) for task_id in graph.all_tasks], exit_status)
        assert {outcome.state for outcome in merged.values()} == {state}


class TestVerdict:
    @pytest.mark.parametrize(
        ("state", "changes", "verdict"),
        [
            (RAN, {}, "published"),
            (UP_TO_DATE, {}, "up to date"),
            (FAILED, {"exit_status": 40, "failure": Note(None, FAILED, message="no")}, "failed"),
            (
                FAILED,
                {"exit_status": 40, "failure": Note(None, FAILED, message="too low", is_low_accuracy=True)},
                "not accurate enough",
            ),
            (RAN, {"exit_status": 143}, "stopped"),
        ],
    )
    def test_is_a_word_for_a_person(
        self, graph: TaskGraph, state: str, changes: dict[str, object], verdict: str
    ) -> None:
        assert dataclasses.replace(make_result(graph, state), **changes).verdict == verdict

    @pytest.mark.parametrize(
        ("published", "state", "verdict"),
        [
            (Published({}, "champion kept"), RAN, "champion kept"),
            (Published({}), RAN, "published"),
            (Published({}, "champion kept"), UP_TO_DATE, "up to date"),
            (Published(Figures(alarms=[])), RAN, "published"),
            (Published(Figures(alarms=["a: no"])), RAN, "published with 1 alarm"),
            (Published(Figures(alarms=["a: no", "b: no"])), RAN, "published with 2 alarms"),
        ],
    )
    def test_is_that_of_the_task_that_has_just_published(self, published: Published, state: str, verdict: str) -> None:
        result = make_result(TaskGraph(TrainChampionTask()), state)
        assert dataclasses.replace(result, published=published).verdict == verdict


class TestNeedsReport:
    @pytest.mark.parametrize(
        ("state", "exit_status", "expected"),
        [(RAN, 0, True), (FAILED, 40, True), (UP_TO_DATE, 0, False), (RAN, 130, False)],
    )
    def test_is_true_if_a_task_ran_or_failed(
        self, graph: TaskGraph, state: str, exit_status: int, expected: bool
    ) -> None:
        assert dataclasses.replace(make_result(graph, state), exit_status=exit_status).needs_report is expected


class TestSummarize:
    def test_gives_the_accuracy_with_its_requirement_and_the_report(self, graph: TaskGraph) -> None:
        assert make_result(graph, RAN).summarize("/runs/1.html", "fetch {url}") == {
            "accuracy": "0.9500 (required: more than 0.9)",
            "rows": "30",
            "published": "s3://some-bucket/output.csv",
            "fetch": "fetch s3://some-bucket/output.csv",
            "report": "/runs/1.html",
        }

    def test_gives_the_figures_of_a_batch(self, graph: TaskGraph) -> None:
        figures = Figures(accuracy=0.5, rows=8, rejected=2, parts=3, unseen={"city": 4})
        summary = dataclasses.replace(make_result(graph, RAN), published=Published(figures)).summarize(None)
        assert list(summary) == ["accuracy", "rows", "rejected", "parts", "unseen", "published"]
        assert (summary["rejected"], summary["parts"]) == ("2", "3")
        assert summary["unseen"] == "city (4 rows)"

    def test_gives_the_estimate_and_the_number_of_alarms_of_a_batch(self, graph: TaskGraph) -> None:
        figures = Figures(accuracy=0.5, estimated=(0.912345, 0.9, 1.0), alarms=["a: no", "b: no"])
        summary = dataclasses.replace(make_result(graph, RAN), published=Published(figures)).summarize(None)
        assert summary["estimated"] == "0.9123 (0.9000 to 1.0000)"
        assert summary["alarms"] == "2: a: no; b: no"

    def test_gives_the_error_of_a_number_in_its_unit(self, monkeypatch: pytest.MonkeyPatch) -> None:
        predict_number(monkeypatch)
        graph = TaskGraph(RunTask(require_acc=None))
        check = next(task for task in graph.tasks.values() if isinstance(task, CheckAccuracyTask))
        monkeypatch.setattr(check, "require", "mae<baseline")
        published = Published(Figures(mae=0.24437, rows=30, estimated=[0.251299, 0.2, 0.3]))
        summary = dataclasses.replace(make_result(graph, RAN), published=published).summarize(None)
        assert summary["mae"] == "0.2444 cm (required: mae<baseline)"
        assert summary["estimated"] == "0.2513 cm (0.2 to 0.3)"
        assert list(summary) == ["mae", "rows", "estimated", "published"]

    @pytest.mark.parametrize(("require", "shown"), [(0.0, "0.5000 (required: more than 0.0)"), (None, "0.5000")])
    def test_gives_what_is_required_if_anything_is(self, require: float | None, shown: str) -> None:
        published = Published(Figures(accuracy=0.5))
        result = make_result(TaskGraph(RunTask(require_acc=require)), RAN)
        assert dataclasses.replace(result, published=published).summarize(None)["accuracy"] == shown

    def test_gives_the_decision_of_the_model(self) -> None:
        luigi.configuration.get_config().set("gokart_pipeline_sample.PredTask", "decision", "1:f1")
        try:
            result = make_result(TaskGraph(RunTask()), RAN)
        finally:
            luigi.configuration.get_config().remove_section("gokart_pipeline_sample.PredTask")
        assert result.summarize(None)["decision"] == "1:f1"
        assert make_run_record(result, None, [])["decision"] == "1:f1"

    def test_gives_the_figures_of_what_is_published_though_its_alarms_fail_the_run(self, graph: TaskGraph) -> None:
        failure = Note(None, FAILED, message="too low (see on_alarm)")
        for state in (RAN, UP_TO_DATE):
            result = dataclasses.replace(make_result(graph, state), exit_status=40, failure=failure)
            assert result.summarize(None)["rows"] == "30"
            record = make_run_record(result, None, [])
            assert (record["rows"], record["object"]) == (30, "s3://some-bucket/output.csv")
        stopped = dataclasses.replace(result, exit_status=143)
        assert make_run_record(stopped, None, [])["object"] is None

    def test_does_not_speak_of_alarms_that_there_are_not(self, graph: TaskGraph) -> None:
        published = Published(Figures(rows=0, share=0.0, alarms=[]))
        summary = dataclasses.replace(make_result(graph, RAN), published=published).summarize(None)
        assert list(summary) == ["rows", "share", "published"]

    def test_says_where_it_is_published_though_the_figures_cannot_be_read(self, graph: TaskGraph) -> None:
        summary = dataclasses.replace(make_result(graph, RAN), published=Published({})).summarize(
            None, "main.py --fetch {url} or {key}"
        )
        assert summary == {
            "published": "s3://some-bucket/output.csv",
            "fetch": "main.py --fetch s3://some-bucket/output.csv or output.csv",
        }

    def test_gives_only_the_report_of_a_run_that_failed(self, graph: TaskGraph) -> None:
        failed = dataclasses.replace(make_result(graph, FAILED), exit_status=40)
        assert failed.summarize(None) == {}
        assert failed.summarize("/runs/1.html", "fetch {url}") == {"report": "/runs/1.html"}


class TestMakeRunRecord:
    def test_has_the_figures_of_what_is_published(self, graph: TaskGraph) -> None:
        published = Published(Figures(accuracy=0.5, rows=8, alarms=["a: no"]))
        record = make_run_record(dataclasses.replace(make_result(graph, RAN), published=published), None, [])
        assert (record["accuracy"], record["rows"], record["alarms"]) == (0.5, 8, ["a: no"])
        assert (record["rejected"], record["champion"], record["mae"], record["decision"]) == (None,) * 4

    def test_has_the_error_of_a_model_that_is_not_published(self, graph: TaskGraph) -> None:
        failed = dataclasses.replace(make_result(graph, FAILED), exit_status=40, published=Published({}))
        record = make_run_record(failed, make_number_metrics(), [])
        assert (record["accuracy"], record["mae"]) == (None, 0.2444)


class TestFindDocument:
    def test_is_none_before_the_task_has_run(self, graph: TaskGraph) -> None:
        assert find_document(graph, "metrics") is None
        assert find_document(graph, "shift") is None

    def test_is_the_output_of_the_task_that_offers_it(self, graph: TaskGraph) -> None:
        evaluation = next(task for task in graph.tasks.values() if type(task).__name__ == "EvaluateTask")
        evaluation.dump({"rows": 4})
        assert find_document(graph, "metrics") == {"rows": 4}
