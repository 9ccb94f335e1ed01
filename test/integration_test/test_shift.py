"""New rows that are unlike the test rows are noticed, and readers, people and the gate are told."""

from __future__ import annotations

import hashlib
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


def read_pointer(s3: S3Client, bucket: str, prefix: str = "batch") -> dict[str, Any]:
    pointer: dict[str, Any] = json.loads(s3.get_object(Bucket=bucket, Key=f"{prefix}/latest.json")["Body"].read())
    return pointer


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
        pointer = read_pointer(s3, trained_once.bucket)
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
        assert f"alarms     {len(alarms)}: {alarms[0]}; " in runs.warned.run.stdout
        assert f"published with {len(alarms)} alarms" in runs.history.stdout
        assert runs.report.startswith(f"published with {len(alarms)} alarms: accuracy ")
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
        before = read_objects(s3, bucket)
        refused = score(trained, NEW_ROWS[:0])
        assert (refused.exit_code, refused.tasks) == (40, [])
        expected = f"error: GuardTableTask: {trained.directory}/new.csv: 0 of 0 rows are valid, min_rows is 1"
        assert refused.stderr.splitlines()[-1] == expected.replace(f"{trained.directory}/", "")
        assert read_objects(s3, bucket) == before

        run = score(trained, NEW_ROWS[:0], "--min-rows", "0")
        assert run.exit_code == 0, run.stderr
        assert run.tasks == BATCH_CHAIN
        batch = read_batch(s3, bucket)
        assert (batch.manifest["rows_in"], batch.manifest["shift"]) == (0, None)
        assert read_pointer(s3, bucket)["alarms"] == ["rows: 0 are published, 0.0 times the usual number"]
        failed = score(trained, NEW_ROWS[:0], "--min-rows", "0", "--on-shift", "fail")
        assert failed.exit_code == 40
        assert "rows: 0 are published" in failed.stderr.splitlines()[-1]


@pytest.mark.long
class TestShareOfRows:
    def test_is_that_of_the_batches_before(self, trained: Checkout, bucket: str, s3: S3Client) -> None:
        def publish(rows: int, *options: str) -> dict[str, Any]:
            run = score(trained, NEW_ROWS[:rows], *options)
            assert run.exit_code == 0, run.stderr
            return read_pointer(s3, bucket, *options[1:2])

        first = publish(200)
        assert (first["share"], [*first["batches"].values()]) == (1.0, [200])
        few = publish(40)
        assert (few["share"], [*few["batches"].values()]) == (0.2, [200, 40])
        assert few["alarms"][0] == "rows: 40 are published, 0.2 times the usual number"
        # A batch that is published again is not compared with itself, and not counted twice.
        s3.delete_object(Bucket=bucket, Key=few["manifest"])
        assert publish(40) == few
        again = publish(200)
        assert (again["share"], [*again["batches"].values()]) == (5.0, [40, 200])
        # Another prefix knows nothing of it.
        assert publish(40, "--prefix", "other")["share"] == 1.0
        # What is damaged, or of an earlier version, tells no rows.
        s3.put_object(Bucket=bucket, Key=LATEST, Body=b"{")
        assert [*publish(40)["batches"].values()] == [40]
        old = json.dumps({"manifest": few["manifest"], "alarms": []}).encode()
        metadata = {"sha256": hashlib.sha256(old).hexdigest()}
        s3.put_object(Bucket=bucket, Key=LATEST, Body=old, Metadata=metadata)
        assert [*publish(200)["batches"].values()] == [200]
