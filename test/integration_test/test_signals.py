"""A run that is told to stop stops, leaves nothing behind, and goes on the next time."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout, make_environment
from support.judged_tables import make_wide

from pipeline_runner.lock_folder import try_lock

# Rounds for minutes of training.
LONG = (
    "--gokart-pipeline-sample.TrainTask-num-boost-round=1000000",
    "--gokart-pipeline-sample.TrainTask-early-stopping-rounds=1000000",
)


@contextlib.contextmanager
def training(checkout: Checkout, *arguments: str, before: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[str]]:
    """Run the pipeline, after other words of a command, in a process group of its own until it trains."""
    command = [*before, sys.executable, str(checkout.directory / "main.py"), *LONG, *arguments]
    with subprocess.Popen(
        command,
        cwd=checkout.directory,
        env=checkout.environment,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            for line in process.stderr:
                if "SplitDataTask took" in line:
                    break
            yield process
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def living(group: int) -> list[str]:
    """The processes of a group that still do something."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            state, _, process_group = stat.read_text().rpartition(")")[2].split()[:3]
            if int(process_group) == group and state != "Z":
                found.append(stat.parent.name)
    return found


@pytest.mark.parametrize(
    ("number", "to_group", "workers"),
    [
        pytest.param(signal.SIGTERM, False, "1", id="SIGTERM to the process"),
        pytest.param(signal.SIGTERM, False, "2", id="SIGTERM to the parent of workers"),
        pytest.param(signal.SIGTERM, True, "2", id="SIGTERM to all", marks=pytest.mark.long),
        pytest.param(signal.SIGINT, True, "1", id="Ctrl-C"),
        pytest.param(signal.SIGINT, True, "2", id="Ctrl-C with workers", marks=pytest.mark.long),
        pytest.param(signal.SIGHUP, True, "2", id="a closed terminal with workers"),
    ],
)
def test_a_signal_ends_the_run_and_all_that_belongs_to_it(
    checkout: Checkout, bucket: str, s3: S3Client, number: signal.Signals, to_group: bool, workers: str
) -> None:
    with training(checkout, "--workers", workers) as process:
        (os.killpg if to_group else os.kill)(process.pid, number)
        _, errors = process.communicate(timeout=60)  # It would train for minutes.

        assert living(process.pid) == []
    assert process.returncode == 128 + number
    assert errors.splitlines()[-1] == f"error: stopped by {number.name}: the next run goes on where this one stopped"
    assert "KeyboardInterrupt" not in errors
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0


@pytest.fixture
def wide(checkout: Checkout) -> Checkout:
    """A project whose training takes several seconds a round, each of which is one call of LightGBM."""
    table = pd.concat([make_wide(features=500)] * 8, ignore_index=True)
    table.assign(id=table.index).to_parquet(checkout.directory / "wide.parquet")
    adopted = checkout.main("--new-table", "wide.parquet", "--id", "id", "--target", "target", "--yes")
    assert adopted.exit_code == 0, adopted.stderr
    return checkout


@pytest.mark.long
def test_a_signal_ends_the_run_within_a_long_round(wide: Checkout) -> None:
    with training(wide) as process:
        began = time.monotonic()
        for line in process.stderr:
            if "trained: " in line:  # A round has ended, and the next one has begun.
                break
        started = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
        seconds = time.monotonic() - started

    assert process.returncode == 128 + signal.SIGINT
    # On an idle machine; beside other load, the rounds take longer, too.
    assert seconds < max(3, (started - began) / 2)
    assert errors.splitlines()[-1] == "error: stopped by SIGINT: the next run goes on where this one stopped"
    (record,) = (wide.workspace / "runs").glob("*.json")
    assert json.loads(record.read_text())["verdict"] == "stopped"


@pytest.mark.long
def test_a_command_that_is_running_is_not_run_again(checkout: Checkout) -> None:
    with training(checkout):
        run = checkout.main(*LONG)

    assert run.exit_code == 10
    assert run.stderr.splitlines()[-1] == "error: this command is running already: wait for it to end, or stop it"


def test_the_embedded_s3_ends_with_the_run(checkout: Checkout, tmp_path: Path) -> None:
    checkout.environment = make_environment(TMPDIR=str(tmp_path))
    with training(checkout) as process:
        process.terminate()
        assert process.wait(timeout=60) == 128 + signal.SIGTERM

    with (checkout.workspace / "s3" / "server.json").open() as state:
        assert try_lock(fcntl.flock, state)


@pytest.mark.long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may make namespaces")
def test_a_killed_container_leaves_nothing_that_stops_the_next_one(checkout: Checkout, tmp_path: Path) -> None:
    """The run is the process number 1 of its container, and so is the next one, on the same volume."""
    checkout.environment = make_environment(TMPDIR=str(tmp_path))
    container = ("unshare", "--pid", "--fork", "--kill-child", "--mount-proc")
    with training(checkout, before=container) as process:
        process.kill()
        process.wait()

    run = checkout.execute([*container, sys.executable, str(checkout.directory / "main.py"), *LONG[:1]])

    assert run.exit_code == 0, run.stderr
    assert checkout.main("--clean").exit_code == 0


def test_nohup_goes_on_when_the_terminal_closes(checkout: Checkout) -> None:
    with training(checkout, "--workers", "2", before=("nohup",)) as process:
        os.killpg(process.pid, signal.SIGHUP)
        process.terminate()
        _, errors = process.communicate(timeout=60)

    assert process.returncode == 128 + signal.SIGTERM
    assert errors.splitlines()[-1] == "error: stopped by SIGTERM: the next run goes on where this one stopped"


def test_a_terminal_that_closes_ends_the_run_with_a_record(checkout: Checkout, tmp_path: Path) -> None:
    checkout.environment = make_environment(TMPDIR=str(tmp_path))
    with training(checkout) as process:
        process.stderr.close()  # Nobody reads what it says.
        os.killpg(process.pid, signal.SIGHUP)
        assert process.wait(timeout=60) == 128 + signal.SIGHUP

    (record,) = (checkout.workspace / "runs").glob("*.json")
    assert json.loads(record.read_text())["verdict"] == "stopped"
    with (checkout.workspace / "s3" / "server.json").open() as state:
        assert try_lock(fcntl.flock, state)


@pytest.mark.long
@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_killed_run_is_taken_up_again(
    checkout: Checkout, published_once: Checkout, bucket: str, s3: S3Client, workers: str
) -> None:
    with training(checkout, "--workers", workers) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    run = checkout.main()

    assert run.exit_code == 0, run.stderr
    assert run.tasks[0] == "TrainTask"
    expected = s3.get_object(Bucket=published_once.environment["BUCKET_NAME"], Key="output.csv")["Body"].read()
    assert s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read() == expected
