"""What a run leaves: a report of one page and a record, whatever became of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from playwright.sync_api import Browser
from support.browser import browsing, find_browser, visit
from support.checkout import CHAIN, Checkout, Run, make_environment

from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3
from pipeline_runner.watch.history import RunRecord

KEY = ("--gokart-pipeline-sample.UploadS3Task-key", "daily/output.csv")


@dataclass
class Told:
    """A run, its record and its report."""

    run: Run
    record: RunRecord
    report: Path | None


@dataclass
class Runs:
    """Runs of one checkout, one after the other."""

    checkout: Checkout
    published: Told
    up_to_date: Told
    gate: Told
    broken: Told
    unplanned: Told

    @property
    def bucket(self) -> str:
        return self.checkout.environment["BUCKET_NAME"]


def tell(checkout: Checkout, *arguments: str) -> Told:
    before = set((checkout.workspace / "runs").glob("*"))
    run = checkout.main(*KEY, *arguments)
    new = {path.suffix: path for path in set((checkout.workspace / "runs").glob("*")) - before}
    return Told(run, json.loads(new[".json"].read_text()), new.get(".html"))


@pytest.fixture(scope="module")
def runs(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Runs:
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("reported") / "checkout", environment)
    checkout.edit("conf/param.ini", "write=false", "write=true")
    return Runs(
        checkout,
        published=tell(checkout),
        up_to_date=tell(checkout),
        gate=tell(checkout, "--require-acc", "1.0"),
        broken=tell(checkout, "--gokart-pipeline-sample.TrainTask-num-leaves", "-1"),
        unplanned=tell(checkout, "--gokart-pipeline-sample.LoadDataTask-table", "nowhere.csv"),
    )


def words(report: Path) -> str:
    """The text of a report as a person reads it, from the first word on."""
    body = report.read_text().partition("<body>")[2]
    return " ".join(re.sub("<[^>]*>", " ", body).split())


class TestReport:
    def test_a_run_that_publishes_ends_with_its_path(self, runs: Runs) -> None:
        assert runs.published.run.exit_code == 0, runs.published.run.stderr
        assert runs.published.run.stdout.splitlines()[-1] == f"report     {runs.published.report}"
        assert words(runs.published.report).startswith(
            "published: accuracy 1.0000, required more than 0.9 The model is right in all 30 test rows. run"
        )
        assert "Learned from 96 rows, stopped by the loss of 24 others. On 30 test rows." in words(
            runs.published.report
        )

    def test_it_is_put_beside_the_object(self, runs: Runs, s3: S3Client) -> None:
        answer = s3.get_object(Bucket=runs.bucket, Key="daily/report.html")
        assert answer["ContentType"] == "text/html; charset=utf-8"
        assert answer["Body"].read() == runs.published.report.read_bytes()

    def test_a_run_that_is_up_to_date_makes_none(self, runs: Runs) -> None:
        assert runs.up_to_date.run.exit_code == 0
        assert runs.up_to_date.report is None
        assert "\nreport " not in runs.up_to_date.run.stdout

    def test_when_the_gate_fails_it_begins_with_the_reason(self, runs: Runs) -> None:
        assert runs.gate.run.exit_code == 40
        assert "Traceback" not in runs.gate.run.stderr
        reason = "CheckAccuracyTask: the accuracy 1.0 does not exceed the required 1.0: nothing is published"
        assert runs.gate.run.stderr.splitlines()[-2:] == [f"report     {runs.gate.report}", f"error: {reason}"]
        assert words(runs.gate.report).startswith(
            f"not accurate enough: accuracy 1.0000, required more than 1.0 {reason}"
        )
        assert "The baseline knows only how frequent each class is" in words(runs.gate.report)

    def test_when_a_task_breaks_it_begins_with_the_reason(self, runs: Runs) -> None:
        assert runs.broken.run.exit_code == 40
        assert words(runs.broken.report).startswith("failed TrainTask: LightGBM refuses a parameter of TrainTask: it ")
        assert "There are no figures (EvaluateTask: not run)." in words(runs.broken.report)

    def test_when_nothing_can_be_planned_it_says_so(self, runs: Runs) -> None:
        assert runs.unplanned.run.exit_code == 50
        assert words(runs.unplanned.report).startswith("failed RunTask: the table nowhere.csv cannot be read")
        assert (runs.unplanned.record["verdict"], runs.unplanned.record["exit_status"]) == ("failed", 50)

    def test_what_was_not_published_is_not_put(self, runs: Runs, s3: S3Client) -> None:
        keys = [item["Key"] for item in s3.list_objects_v2(Bucket=runs.bucket)["Contents"]]
        assert keys == ["daily/output.csv", "daily/report.html"]

    def test_its_figures_are_those_of_the_evaluation(self, runs: Runs) -> None:
        (file,) = runs.checkout.workspace.glob("metrics_*.json")
        metrics = json.loads(file.read_text())
        text = words(runs.published.report)
        for name, score in (("log loss (less is better)", "log_loss"), ("balanced accuracy", "balanced_accuracy")):
            assert f"{name} {metrics['model'][score]:.4f} {metrics['baseline'][score]:.4f}" in text

    def test_it_can_be_kept_from_s3(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        published.edit("conf/param.ini", "write=false\npublish=true", "write=true\npublish=false")
        s3.delete_object(Bucket=bucket, Key="output.csv")

        run = published.main()

        assert run.exit_code == 0, run.stderr
        assert run.stdout.splitlines()[-1].startswith("report ")
        assert [item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["output.csv"]

    def test_what_is_published_stays_so_when_it_cannot_be_written(
        self, published: Checkout, bucket: str, s3: S3Client
    ) -> None:
        s3.delete_object(Bucket=bucket, Key="output.csv")
        (published.workspace / "runs").rename(published.workspace / "elsewhere")
        (published.workspace / "runs").write_text("no folder")

        run = published.main()

        assert run.exit_code == 0
        assert "WARNING the record or the report of this run is missing: " in run.stderr
        assert f"published  s3://{bucket}/output.csv" in run.stdout
        assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["rows"] == "30"


class TestRecord:
    def test_of_a_run_that_publishes(self, runs: Runs) -> None:
        record = runs.published.record
        assert record["task"] == "gokart_pipeline_sample.RunTask"
        assert record["command"] == ["gokart_pipeline_sample.RunTask", "--local-scheduler", *KEY]
        assert (record["verdict"], record["exit_status"], record["failure"]) == ("published", 0, None)
        assert (record["accuracy"], record["required_accuracy"], record["rows"]) == (1.0, 0.9, 30)
        assert record["object"] == f"s3://{runs.bucket}/daily/output.csv"
        assert record["seeds"]["TrainTask.seed"] == "42"
        tasks = {task["name"]: task for task in record["tasks"]}
        assert {name for name, task in tasks.items() if task["state"] == "ran"} == {*CHAIN, "RunTask"}
        assert all(task["seconds"] > 0 for task in tasks.values())
        assert sum(tasks[name]["seconds"] for name in CHAIN) < 2 * record["seconds"]
        assert tasks["TrainTask"]["why"] == "never run"
        assert tasks["TrainTask"]["parameters"]["learning_rate"] == "0.05"

    def test_of_a_run_that_is_up_to_date(self, runs: Runs) -> None:
        record = runs.up_to_date.record
        assert (record["verdict"], record["accuracy"], record["rows"]) == ("up to date", 1.0, 30)
        states = {task["name"]: task["state"] for task in record["tasks"]}
        assert states == {**dict.fromkeys(CHAIN, "not needed"), "UploadS3Task": "up to date", "RunTask": "up to date"}

    def test_of_a_run_that_fails_at_the_gate(self, runs: Runs) -> None:
        record = runs.gate.record
        assert (record["verdict"], record["exit_status"], record["object"]) == ("not accurate enough", 40, None)
        assert record["failure"].startswith("CheckAccuracyTask: the accuracy 1.0 does not exceed")
        tasks = {task["name"]: task for task in record["tasks"]}
        assert tasks["CheckAccuracyTask"]["state"] == "failed"
        assert tasks["CheckAccuracyTask"]["why"] == "parameter changed: require_acc 0.9 → 1.0"
        assert tasks["UploadS3Task"]["state"] == "not run"
        assert tasks["EvaluateTask"]["state"] == "up to date"

    def test_of_a_run_that_breaks(self, runs: Runs) -> None:
        record = runs.broken.record
        assert (record["verdict"], record["exit_status"], record["accuracy"]) == ("failed", 40, None)
        states = {task["name"]: task["state"] for task in record["tasks"]}
        assert (states["SplitDataTask"], states["TrainTask"], states["PredTask"]) == ("up to date", "failed", "not run")

    def test_the_history_shows_them(self, runs: Runs) -> None:
        run = runs.checkout.main("--history")

        assert (run.exit_code, run.stderr) == (0, "")
        header, *lines = run.stdout.splitlines()
        assert [line.split()[0] for line in lines[5:]] == ["accuracy", "rows", "seconds"]
        assert header.split() == ["when", "verdict", "accuracy", "rows", "duration", "object"]
        url = f"s3://{runs.bucket}/daily/output.csv"
        for line, ending in zip(
            lines[:5],
            (
                rf"published +1\.0000 +30 +\d+\.\d\d s +{url}",
                rf"up to date +1\.0000 +30 +\d+\.\d\d s +{url}",
                r"not accurate enough +1\.0000 +\d+\.\d\d s",
                r"failed +\d+\.\d\d s",
                r"failed +\d+\.\d\d s",
            ),
            strict=True,
        ):
            assert re.fullmatch(rf"\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d  {ending}", line)

    def test_nothing_is_pickled(self, runs: Runs) -> None:
        assert not list(runs.checkout.workspace.rglob("*.pkl"))
        assert not (runs.checkout.workspace / "log").exists()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if find_browser() is None:
        pytest.skip("there is no Chromium: apt-get install chromium")
    with browsing() as running:
        yield running


class TestInABrowser:
    @pytest.mark.parametrize("scheme", ["light", pytest.param("dark", marks=pytest.mark.long)])
    @pytest.mark.parametrize("width", [1280, 390])
    @pytest.mark.parametrize("name", ["published", "gate", "broken"])
    def test_it_needs_nothing_else_and_fits(
        self, runs: Runs, browser: Browser, name: str, width: int, scheme: str
    ) -> None:
        report = getattr(runs, name).report

        seen = visit(browser, report.as_uri(), width, scheme)

        assert seen.messages == []
        assert seen.requests == [report.as_uri()]
        assert seen.width == width
        assert seen.scroll_width <= width
        assert "CheckAccuracyTask" in seen.text

    def test_it_opens_from_s3(self, runs: Runs, browser: Browser, s3: S3Client) -> None:
        url = s3.generate_presigned_url("get_object", Params={"Bucket": runs.bucket, "Key": "daily/report.html"})

        seen = visit(browser, url, 1280, "light")

        assert seen.messages == []
        assert seen.requests == [url]
        assert "Confusion matrix" in seen.text

    def test_a_page_that_is_too_wide_or_asks_for_more_would_be_noticed(self, browser: Browser, tmp_path: Path) -> None:
        page = tmp_path / "page.html"
        page.write_text("<p style='width: 500px'>wide</p><img src='none.png'><script>console.log('hi'); no()</script>")

        seen = visit(browser, page.as_uri(), 390, "light")

        assert seen.scroll_width > 390
        assert len(seen.requests) == 2
        assert len(seen.messages) == 3
