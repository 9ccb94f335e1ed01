"""Several runs of the same pipeline at once, on one workspace: all of them succeed and publish the same bytes."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import threading
from collections import Counter
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import read_objects
from support.checkout import CHAIN, Checkout, Run
from support.luigid import scheduling
from support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.long

# Settings of docs/growing.md.
WITH_REDIS = {
    "[core]": "[scheduler]\nretry_delay=1\nretry_count=1000\n\n[core]\nno_lock=true",
    "[gokart_worker]": "[gokart_worker]\nkeep_alive=true\nwait_interval=1",
    "[TaskOnKart]": "[TaskOnKart]\nshould_lock_run=true\nredis_host=127.0.0.1\nredis_port={port}",
}


@pytest.fixture
def on_s3(checkout: Checkout, bucket: str, proxy: RecordingProxy) -> Checkout:
    """A project that never ran, with its workspace on S3."""
    checkout.use_workspace(f"s3://{bucket}/workspace")
    checkout.environment["AWS_ENDPOINT_URL"] = proxy.endpoint
    return checkout


def run_at_once(checkout: Checkout, number: int, *arguments: str) -> list[Run]:
    runs: list[Run] = []
    threads = [threading.Thread(target=lambda: runs.append(checkout.main(*arguments))) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return runs


def read_records(s3: S3Client, bucket: str) -> list[dict[str, str]]:
    """The state of each task, of each run."""
    contents = [content for key, (content, _) in read_objects(s3, bucket).items() if "/runs/" in key]
    return [{task["name"]: task["state"] for task in json.loads(content)["tasks"]} for content in contents]


@pytest.mark.parametrize(("processes", "workers"), [(2, "1"), (2, "2"), (4, "1")])
def test_runs_on_s3_do_no_harm_to_each_other(
    on_s3: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client, processes: int, workers: str
) -> None:
    # All of them have loaded the table before one can put it.
    have_loaded = threading.Barrier(processes)

    def hold(method: str, path: str) -> None:
        if method == "PUT" and "/workspace/LoadDataTask" in path:
            have_loaded.wait(60)

    proxy.before = hold
    runs = run_at_once(on_s3, processes, "--workers", workers)

    assert [run.exit_code for run in runs] == [0] * processes, "\n".join(run.stderr for run in runs)
    records = read_records(s3, bucket)
    assert len(records) == processes
    assert {state for record in records for state in record.values()} <= {"ran", "up to date", "not needed"}
    assert on_s3.main().tasks == []
    together = read_objects(s3, bucket)["output.csv"]
    proxy.before = lambda *_: None
    for key in read_objects(s3, bucket):
        s3.delete_object(Bucket=bucket, Key=key)
    assert on_s3.main().tasks == CHAIN
    assert read_objects(s3, bucket)["output.csv"] == together


def test_local_runs_at_once_do_no_harm_to_each_other(checkout: Checkout) -> None:
    checkout.edit("conf/param.ini", "[core]", "[core]\nno_lock=true")
    runs = run_at_once(checkout, 2)

    assert [run.exit_code for run in runs] == [0, 0], "\n".join(run.stderr for run in runs)
    assert checkout.main().tasks == []


@pytest.fixture
def with_luigid(on_s3: Checkout, tmp_path: Path) -> Checkout:
    """A project whose runs wait for tasks that luigid lets another run do, and luigid's own settings."""
    on_s3.edit("conf/param.ini", "[gokart_worker]", "[gokart_worker]\nkeep_alive=true\nwait_interval=1")
    # Otherwise all runs would wait for a task that has failed to be tried again.
    (tmp_path / "luigi.cfg").write_text("[scheduler]\nretry_count=1\n")
    return on_s3


@pytest.mark.parametrize("workers", ["1", "2"])
def test_luigid_shares_out_the_tasks(
    with_luigid: Checkout, tmp_path: Path, bucket: str, s3: S3Client, workers: str
) -> None:
    with scheduling(tmp_path) as port:
        task = ("gokart_pipeline_sample.RunTask", "--scheduler-port", str(port), "--workers", workers)
        runs = run_at_once(with_luigid, 2, *task)

    assert [run.exit_code for run in runs] == [0, 0], "\n".join(run.stderr for run in runs)
    assert Counter(task for run in runs for task in run.tasks) == Counter(CHAIN)
    assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["rows"] == "30"


def test_a_failure_ends_all_runs_that_share_a_scheduler(with_luigid: Checkout, tmp_path: Path) -> None:
    with scheduling(tmp_path) as port:
        task = ("gokart_pipeline_sample.RunTask", "--scheduler-port", str(port), "--require-acc", "1")
        runs = run_at_once(with_luigid, 2, *task)

    # The other run has not done the task that failed.
    assert sorted(run.exit_code for run in runs) == [10, 40], "\n".join(run.stderr for run in runs)


@pytest.mark.skipif(not shutil.which("redis-server"), reason="redis-server is not installed")
def test_redis_locks_a_workspace_on_this_machine(checkout: Checkout, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    for section, settings in WITH_REDIS.items():
        checkout.edit("conf/param.ini", section, settings.format(port=port))
    server = ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--dir", str(tmp_path)]
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert any("Ready to accept connections" in line for line in process.stdout)
            runs = run_at_once(checkout, 2)
        finally:
            process.kill()

    assert [run.exit_code for run in runs] == [0, 0], "\n".join(run.stderr for run in runs)
    # The second run finds what the first one has made while it waited for the lock.
    skipped = sum(run.stderr.count("run is skipped because the task is already completed") for run in runs)
    assert sum(len(run.tasks) for run in runs) - skipped == len(CHAIN)
