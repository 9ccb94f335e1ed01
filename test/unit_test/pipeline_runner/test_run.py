from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import luigi
import pytest
from gokart.slack import SlackConfig
from luigi.execution_summary import LuigiStatusCode
from support.records import make_result

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io.targets import S3Target
from gokart_pipeline_sample.utils.shown_task import Figures, Published
from pipeline_runner import run
from pipeline_runner.watch.recorder import FAILED, RAN, UP_TO_DATE
from pipeline_runner.watch.report.charts import ChartProcess
from pipeline_runner.watch.task_graph import Report, RootTask, TaskGraph


def refuse(*_: object) -> None:
    raise S3Error("s3://some-bucket/report.html: S3 refuses to put it")


class TestRunLuigi:
    @pytest.mark.parametrize("code", LuigiStatusCode)
    def test_returns_the_exit_status_of_gokart(
        self, graph: TaskGraph, code: LuigiStatusCode, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(luigi, "build", lambda *_, **__: SimpleNamespace(status=code))
        statuses = {":)": (0,), ":|": (20, 30), ":(": (40, 50)}
        arguments = ["gokart_pipeline_sample.RunTask"]
        assert run.run_luigi(RootTask(arguments, graph, Report(), SlackConfig())) in statuses[code.value[0]]


@pytest.fixture
def charts() -> Iterator[ChartProcess]:
    with ChartProcess(keeps_files=True) as process:
        yield process


class TestSaveRecordAndReport:
    def test_keeps_a_record_and_a_report_beside_the_output(
        self, graph: TaskGraph, workspace: Path, charts: ChartProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put: list[str] = []
        monkeypatch.setattr(S3Target, "put_beside", lambda _, name, *__: put.append(name))
        report = run.save_record_and_report(make_result(graph, RAN), str(workspace), charts)
        assert report == str(workspace / "runs" / "20260102T030405.000000Z.html")
        assert Path(report).read_text().startswith("<!doctype html>")
        assert json.loads(Path(report).with_suffix(".json").read_text())["verdict"] == "published"
        assert put == ["report.html"]

    @pytest.mark.parametrize("exit_status", [0, 40])
    def test_publishes_the_report_of_what_raises_alarms(
        self,
        graph: TaskGraph,
        workspace: Path,
        charts: ChartProcess,
        monkeypatch: pytest.MonkeyPatch,
        exit_status: int,
    ) -> None:
        put: list[str] = []
        monkeypatch.setattr(S3Target, "put_beside", lambda _, name, *__: put.append(name))
        published = Published(Figures(alarms=["a: no"]))
        result = dataclasses.replace(make_result(graph, RAN), published=published, exit_status=exit_status)
        assert run.save_record_and_report(result, str(workspace), charts) is not None
        assert put == ["report.html"]

    def test_keeps_only_a_record_of_a_run_that_was_up_to_date(
        self, graph: TaskGraph, workspace: Path, charts: ChartProcess
    ) -> None:
        assert run.save_record_and_report(make_result(graph, UP_TO_DATE), str(workspace), charts) is None
        (record,) = (workspace / "runs").iterdir()
        assert json.loads(record.read_text())["verdict"] == "up to date"

    def test_publishes_no_report_of_a_run_that_failed(
        self, graph: TaskGraph, workspace: Path, charts: ChartProcess, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(S3Target, "put_beside", lambda *_: pytest.fail("it was published"))
        failed = dataclasses.replace(make_result(graph, FAILED), exit_status=40)
        assert run.save_record_and_report(failed, str(workspace), charts) is not None

    def test_only_warns_if_the_report_cannot_be_published(
        self,
        graph: TaskGraph,
        workspace: Path,
        charts: ChartProcess,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        monkeypatch.setattr(S3Target, "put_beside", refuse)
        assert run.save_record_and_report(make_result(graph, RAN), str(workspace), charts) is not None
        assert "the report is not beside the output" in caplog.text

    def test_only_warns_if_the_record_cannot_be_kept(
        self, graph: TaskGraph, workspace: Path, charts: ChartProcess, caplog: pytest.LogCaptureFixture
    ) -> None:
        (workspace / "runs").write_text("")
        assert run.save_record_and_report(make_result(graph, RAN), str(workspace), charts) is None
        assert "the record or the report of this run is missing" in caplog.text
