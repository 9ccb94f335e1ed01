from __future__ import annotations

import dataclasses

import pytest
from gokart.slack import SlackConfig
from support.records import make_result

from pipeline_runner.watch import slack
from pipeline_runner.watch.recorder import FAILED, RAN, Failure
from pipeline_runner.watch.report.settings import Report
from pipeline_runner.watch.root_task import RootTask
from pipeline_runner.watch.run_record import RunResult
from pipeline_runner.watch.task_graph import TaskGraph


@pytest.fixture
def root(graph: TaskGraph) -> RootTask:
    return RootTask(["gokart_pipeline_sample.RunTask"], graph, Report())


def fail(graph: TaskGraph, message: str) -> RunResult:
    return dataclasses.replace(make_result(graph, FAILED), exit_status=40, failure=Failure(message), figures=None)


class TestMakeText:
    def test_names_what_is_published_and_not_how_to_fetch_it(self, root: RootTask) -> None:
        text = slack.make_text(SlackConfig(), root, make_result(root.graph, RAN), "/runs/1.html")
        assert text.splitlines() == [
            "gokart_pipeline_sample.RunTask: published",
            "accuracy: 0.9500 (required: more than 0.9)",
            "rows: 30",
            "published: s3://some-bucket/output.csv",
            "report: /runs/1.html",
        ]

    def test_names_the_error_of_a_run_that_failed(self, root: RootTask) -> None:
        text = slack.make_text(SlackConfig(), root, fail(root.graph, "LoadDataTask: no"), "/runs/1.html")
        assert text.splitlines() == [
            "gokart_pipeline_sample.RunTask: failed",
            "error: LoadDataTask: no",
            "report: /runs/1.html",
        ]

    def test_names_the_verdict_alone_of_a_run_that_publishes_nothing(self, root: RootTask) -> None:
        result = dataclasses.replace(make_result(root.graph, RAN), publication=None)
        assert slack.make_text(SlackConfig(), root, result, None) == "gokart_pipeline_sample.RunTask: done"

    @pytest.mark.parametrize("user", ["U123", "@U123"])
    def test_mentions_whom_it_is_for_and_nobody_that_an_error_names(self, root: RootTask, user: str) -> None:
        result = fail(root.graph, "the columns <!channel> & <@U9> are missing")
        text = slack.make_text(SlackConfig(to_user=user), root, result, None)
        assert text.splitlines() == [
            "<@U123> gokart_pipeline_sample.RunTask: failed",
            "error: the columns &lt;!channel&gt; &amp; &lt;@U9&gt; are missing",
        ]

    def test_masks_secrets(self, root: RootTask) -> None:
        text = slack.make_text(SlackConfig(), root, fail(root.graph, "http://me:hunter2@host is not there"), None)
        assert text.splitlines()[1] == "error: http://***@host is not there"
