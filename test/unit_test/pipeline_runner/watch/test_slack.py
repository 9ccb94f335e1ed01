from __future__ import annotations

import dataclasses

import pytest
from gokart.slack import SlackConfig
from support.records import make_result

from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from gokart_pipeline_sample.utils.shown_task import Figures, Published
from pipeline_runner.watch import slack
from pipeline_runner.watch.recorder import FAILED, RAN, Note
from pipeline_runner.watch.run_record import RunResult
from pipeline_runner.watch.task_graph import TaskGraph


def fail(graph: TaskGraph, message: str) -> RunResult:
    return dataclasses.replace(
        make_result(graph, FAILED), exit_status=40, failure=Note(None, FAILED, message=message), published=Published({})
    )


class TestMakeText:
    def test_names_what_is_published_and_not_how_to_fetch_it(self, graph: TaskGraph) -> None:
        text = slack.make_text(make_result(graph, RAN), "/runs/1.html")
        assert text.splitlines() == [
            "gokart_pipeline_sample.RunTask: published",
            "accuracy: 0.9500 (required: more than 0.9)",
            "rows: 30",
            "published: s3://some-bucket/output.csv",
            "report: /runs/1.html",
        ]

    def test_names_the_alarms_of_a_batch(self, graph: TaskGraph) -> None:
        published = Published(Figures(rows=3, share=0.1, alarms=["rows: few", "length: long"]))
        result = dataclasses.replace(make_result(graph, RAN), published=published)
        assert slack.make_text(result, None).splitlines() == [
            "gokart_pipeline_sample.RunTask: published with 2 alarms",
            "rows: 3",
            "share: 0.1",
            "alarms: 2: rows: few; length: long",
            "published: s3://some-bucket/output.csv",
        ]

    def test_names_the_error_of_a_run_that_failed(self, graph: TaskGraph) -> None:
        text = slack.make_text(fail(graph, "LoadDataTask: no"), "/runs/1.html")
        assert text.splitlines() == [
            "gokart_pipeline_sample.RunTask: failed",
            "error: LoadDataTask: no",
            "report: /runs/1.html",
        ]

    def test_names_the_verdict_alone_of_a_run_that_publishes_nothing(self) -> None:
        result = make_result(TaskGraph(PrepareDataTask()), RAN)
        assert slack.make_text(result, None) == "gokart_pipeline_sample.PrepareDataTask: done"

    @pytest.mark.parametrize("user", ["U123", "@U123"])
    def test_mentions_whom_it_is_for_and_nobody_that_an_error_names(self, graph: TaskGraph, user: str) -> None:
        result = fail(graph, "the columns <!channel> & <@U9> are missing")
        root = result.root._replace(slack=SlackConfig(to_user=user))
        text = slack.make_text(dataclasses.replace(result, root=root), None)
        assert text.splitlines() == [
            "<@U123> gokart_pipeline_sample.RunTask: failed",
            "error: the columns &lt;!channel&gt; &amp; &lt;@U9&gt; are missing",
        ]

    def test_masks_secrets(self, graph: TaskGraph) -> None:
        text = slack.make_text(fail(graph, "http://me:hunter2@host is not there"), None)
        assert text.splitlines()[1] == "error: http://***@host is not there"
