"""New rows that are unlike the test rows are noticed, and readers, people and the gate are told."""

from __future__ import annotations

import html
import itertools
import json
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, read_batch, read_objects
from support.champion import INI, NEW_ROWS, SCORE, Trained, replace_objects
from support.checkout import Checkout, Run
from support.recording_proxy import RecordingProxy

# All of them are larger than any training row's.
SHIFTED = NEW_ROWS.assign(petal_length=NEW_ROWS["petal_length"] + 20)
LATEST = "batch/latest.json"


@pytest.fixture
def bucket(trained_once: Trained) -> str:
    return trained_once.bucket


def score(checkout: Checkout, rows: pd.DataFrame, *options: str, **variables: str) -> Run:
    rows.to_csv(checkout.directory / "new.csv", index=False)
    return checkout.main(*SCORE, *options, **variables)


@dataclass
class Told:
    """A run, and what readers find afterwards."""

    run: Run
    pointer: dict[str, Any]
    shift: dict[str, Any]


@dataclass
class Runs:
    """Batches that a project has scored, one after the other."""

    quiet: Told
    refused: Told
    warned: Told
    history: Run
    report: str


@pytest.fixture(scope="module")
def runs(trained_once: Trained, s3: S3Client, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    replace_objects(s3, trained_once.bucket, trained_once.objects)
    checkout = trained_once.checkout.copy(tmp_path_factory.mktemp("shifted") / "checkout")

    def tell(rows: pd.DataFrame, *options: str) -> Told:
        run = score(checkout, rows, *options)
        pointer = json.loads(s3.get_object(Bucket=trained_once.bucket, Key=LATEST)["Body"].read())
        return Told(run, pointer, read_batch(s3, trained_once.bucket).manifest["shift"])

    quiet, refused = tell(NEW_ROWS), tell(SHIFTED, "--on-shift", "fail")
    checkout.edit(INI, "write=false", "write=true")
    warned = tell(SHIFTED)
    (report,) = (checkout.workspace / "runs").glob("*.html")
    text = html.unescape(re.sub("<[^>]*>", " ", report.read_text().partition("<body>")[2]))
    return Runs(quiet, refused, warned, checkout.main("--history"), " ".join(text.split()))


@pytest.mark.long
class TestAlarms:
    def test_rows_like_the_test_rows_raise_none(self, runs: Runs) -> None:
        assert runs.quiet.run.exit_code == 0, runs.quiet.run.stderr
        assert runs.quiet.pointer["alarms"] == []
        assert "WARNING" not in runs.quiet.run.stderr
        assert runs.quiet.shift["rows"] == len(NEW_ROWS)
        assert all(sum(column["counts"]) == len(NEW_ROWS) for column in runs.quiet.shift["columns"].values())

    def test_fail_the_run_before_anything_is_published(self, runs: Runs) -> None:
        assert runs.refused.run.exit_code == 40
        last_line = runs.refused.run.stderr.splitlines()[-1]
        assert last_line.startswith("error: PublishBatchTask: ")
        assert "petal_length: the distance from the test rows is " in last_line
        assert last_line.endswith(" (see on_shift): nothing is published")
        assert runs.refused.pointer == runs.quiet.pointer

    def test_are_told_wherever_one_looks(self, runs: Runs) -> None:
        assert runs.warned.run.exit_code == 0, runs.warned.run.stderr
        # What has been scored is not scored again.
        assert runs.warned.run.tasks == ["PublishBatchTask"]
        alarms = runs.warned.pointer["alarms"]
        assert "petal_length: 100.0% of the values are new or out of the range of the training rows" in " ".join(alarms)
        assert next(iter(runs.warned.shift["columns"])) in ("petal_length", "petal_area")
        for alarm in alarms:
            assert f"WARNING {alarm}" in runs.warned.run.stderr
        assert f"alarms     {len(alarms)}" in runs.warned.run.stdout
        estimated = runs.warned.shift["estimated_accuracy"]
        shown = f"{estimated['accuracy']:.4f} ({estimated['low']:.4f} to {estimated['high']:.4f})"
        assert f"estimated  {shown}" in runs.warned.run.stdout
        for column, shift in runs.warned.shift["columns"].items():
            assert not shift["alarms"] or f"{column}: {'; '.join(shift['alarms'])}" in runs.report
        assert f"Estimated accuracy: {shown}" in runs.report
        header, *lines = runs.history.stdout.splitlines()
        column = header.index("alarms")
        assert [line[column:].split()[0] for line in lines if "latest.json" in line] == ["0", str(len(alarms))]


@pytest.mark.long
class TestOfABatch:
    PARTS = ("--rows-per-part", "60")

    def test_that_was_killed_or_lost_figures_is_that_of_an_undisturbed_one(
        self, trained: Checkout, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        puts = itertools.count(1)

        def kill(method: str, _: str) -> None:
            if method == "PUT" and next(puts) == 5:  # Of eight: each part, and the figures after each.
                process.kill()
                process.wait()
                raise ConnectionAbortedError

        before, proxy.after = read_objects(s3, bucket), kill
        SHIFTED.to_csv(trained.directory / "new.csv", index=False)
        main = [sys.executable, str(trained.directory / "main.py"), *SCORE, *self.PARTS]
        environment = {**trained.environment, "AWS_ENDPOINT_URL": proxy.endpoint}
        with subprocess.Popen(main, cwd=trained.directory, env=environment, stderr=subprocess.DEVNULL) as process:
            pass
        assert process.returncode == -signal.SIGKILL
        proxy.after = lambda *_: None
        proxy.requests.clear()
        assert trained.main(*SCORE, *self.PARTS, AWS_ENDPOINT_URL=proxy.endpoint).exit_code == 0
        resumed = read_objects(s3, bucket)
        names = [path.rpartition("/")[2] for method, path in proxy.requests if method == "PUT"]
        *made, manifest, pointer = names
        assert (manifest, pointer) == ("manifest.json", "latest.json")
        # Some of the four parts are noted already; two parts are made at a time.
        assert 0 < len(made) < 8
        assert made[-1] == "00000.json"

        replace_objects(s3, bucket, before)
        assert trained.main(*SCORE, *self.PARTS).exit_code == 0
        assert read_objects(s3, bucket) == resumed

        manifest, notes = (next(key for key in resumed if key.endswith(name)) for name in ("/manifest.json", made[-1]))
        for lost in ((manifest, notes), (manifest,)):
            for key in lost:
                s3.delete_object(Bucket=bucket, Key=key)
            if notes not in lost:
                s3.put_object(Bucket=bucket, Key=notes, Body=b"garbage", Metadata=resumed[notes][1])
            run = trained.main(*SCORE, *self.PARTS)
            assert (run.exit_code, run.tasks) == (0, ["ScoreTableTask"])
            assert read_objects(s3, bucket) == resumed

    def test_without_rows_is_none(self, trained: Checkout, bucket: str, s3: S3Client) -> None:
        run = score(trained, NEW_ROWS[:0], "--on-shift", "fail")

        assert run.exit_code == 0, run.stderr
        assert run.tasks == BATCH_CHAIN
        batch = read_batch(s3, bucket)
        assert (batch.manifest["rows_in"], batch.manifest["shift"]) == (0, None)
