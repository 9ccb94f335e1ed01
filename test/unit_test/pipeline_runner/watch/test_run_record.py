from __future__ import annotations

import dataclasses

import pytest
from support.records import make_result

from gokart_pipeline_sample import RunNestTask
from gokart_pipeline_sample.io.s3_target import PublishedFigures
from gokart_pipeline_sample.pipeline.champion.registry import Champions, S3ChampionPointer
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from pipeline_runner.watch.recorder import FAILED, NOT_RUN, RAN, UP_TO_DATE, Failure, Outcome
from pipeline_runner.watch.run_record import find_publication, settle
from pipeline_runner.watch.task_graph import TaskGraph


class TestFindPublication:
    def test_is_what_the_upload_puts_out(self) -> None:
        graph = TaskGraph(RunNestTask(require_acc=0.7))
        publication = find_publication(graph)
        assert graph.names[publication.task_id] == "UploadS3Task"
        assert publication.target.path() == "s3://some-bucket/output.csv"
        assert publication.required_accuracy == 0.7

    def test_is_there_without_a_run_task(self, graph: TaskGraph) -> None:
        upload = graph.tasks[find_publication(graph).task_id]
        publication = find_publication(TaskGraph(upload))
        assert publication.task_id == upload.task_id

    def test_is_none_where_nothing_is_put(self) -> None:
        assert find_publication(TaskGraph(PrepareDataTask())) is None


class TestSettle:
    def test_a_view_of_what_another_run_has_made_is_up_to_date(self, graph: TaskGraph) -> None:
        publication = find_publication(graph).task_id
        outcomes = dict.fromkeys(graph.all_tasks, Outcome(RAN))
        assert settle(graph, outcomes, 0) == outcomes
        settled = settle(graph, outcomes | {publication: Outcome(UP_TO_DATE)}, 0)
        assert {task_id for task_id, outcome in settled.items() if outcome.state == UP_TO_DATE} == {
            publication,
            graph.root.task_id,
        }

    @pytest.mark.parametrize(("exit_status", "state"), [(0, UP_TO_DATE), (40, NOT_RUN)])
    def test_what_this_run_has_left_to_another_is_up_to_date_if_it_succeeds(
        self, graph: TaskGraph, exit_status: int, state: str
    ) -> None:
        settled = settle(graph, dict.fromkeys(graph.all_tasks, Outcome(NOT_RUN)), exit_status)
        assert {outcome.state for outcome in settled.values()} == {state}


class TestVerdict:
    @pytest.mark.parametrize(
        ("state", "changes", "verdict"),
        [
            (RAN, {}, "published"),
            (UP_TO_DATE, {}, "up to date"),
            (RAN, {"publication": None}, "done"),
            (FAILED, {"exit_status": 40, "failure": Failure("no")}, "failed"),
            (FAILED, {"exit_status": 40, "failure": Failure("too low", is_low_accuracy=True)}, "not accurate enough"),
            (RAN, {"exit_status": 143}, "stopped"),
        ],
    )
    def test_is_a_word_for_a_person(
        self, graph: TaskGraph, state: str, changes: dict[str, object], verdict: str
    ) -> None:
        assert dataclasses.replace(make_result(graph, state), **changes).verdict == verdict

    @pytest.mark.parametrize(
        ("decision", "verdict"),
        [
            ("kept: the new model fails", "champion kept"),
            ("promoted: there was none", "published"),
            (None, "published"),
        ],
    )
    def test_tells_a_model_that_becomes_the_champion_from_one_that_does_not(
        self, graph: TaskGraph, decision: str | None, verdict: str
    ) -> None:
        result = make_result(graph, RAN)
        publication = result.publication._replace(target=S3ChampionPointer(Champions("some-bucket", "champion"), ""))
        figures = PublishedFigures(champion=decision)
        assert dataclasses.replace(result, publication=publication, figures=figures).verdict == verdict
        # A batch notes the decision about the champion that has scored it.
        assert dataclasses.replace(result, figures=figures).verdict == "published"
        assert dataclasses.replace(result, publication=publication, figures=None).verdict == "published"


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
    def test_gives_the_figures_of_a_batch(self, graph: TaskGraph) -> None:
        figures = PublishedFigures(accuracy=0.5, rows=8, rejected=2, parts=3, unseen={"city": 4})
        summary = dataclasses.replace(make_result(graph, RAN), figures=figures).summarize("")
        assert list(summary) == ["accuracy", "rows", "rejected", "parts", "unseen", "published", "fetch"]
        assert (summary["rejected"], summary["parts"]) == ("2", "3")
        assert summary["unseen"] == "city (4 rows)"

    def test_gives_the_estimate_and_the_number_of_alarms_of_a_batch(self, graph: TaskGraph) -> None:
        figures = PublishedFigures(accuracy=0.5, estimated=(0.912345, 0.9, 1.0), alarms=["a: no", "b: no"])
        summary = dataclasses.replace(make_result(graph, RAN), figures=figures).summarize("")
        assert summary["estimated"] == "0.9123 (0.9000 to 1.0000)"
        assert summary["alarms"] == "2"

    def test_says_where_it_is_published_though_the_figures_cannot_be_read(self, graph: TaskGraph) -> None:
        summary = dataclasses.replace(make_result(graph, RAN), figures=None).summarize("aws s3 cp {url} -")
        assert summary == {
            "published": "s3://some-bucket/output.csv",
            "fetch": "aws s3 cp s3://some-bucket/output.csv -",
        }

    def test_says_nothing_of_a_run_that_failed(self, graph: TaskGraph) -> None:
        assert dataclasses.replace(make_result(graph, RAN), exit_status=40).summarize("") == {}
