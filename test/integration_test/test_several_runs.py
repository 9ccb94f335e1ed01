"""Several runs of the same pipeline at once, on one workspace: each task runs once, and all of them succeed."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import read_objects
from support.checkout import CHAIN, Checkout, Run
from support.luigid import scheduling
from support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.long

# Settings of the README.
WITH_REDIS = {
    "[core]": "[scheduler]\nretry_delay=1\nretry_count=1000\n\n[core]\nno_lock=true",
    "[gokart_worker]": "[gokart_worker]\nkeep_alive=true\nwait_interval=1",
    "[TaskOnKart]": "[TaskOnKart]\nshould_lock_run=true\nredis_host=127.0.0.1\nredis_port={port}",
}


@pytest.fixture
def on_s3(checkout: Checkout, bucket: str, proxy: RecordingProxy) -> Checkout:
    """A project that never ran, with its workspace on S3."""
    checkout.use_workspace(f"s3://{bucket}/workspace")
    checkout.edit("conf/param.ini", "[core]", "[gokart_pipeline_sample.GokartTask]\nlease_seconds=5\n\n[core]")
    checkout.environment["AWS_ENDPOINT_URL"] = proxy.endpoint
    return checkout


@pytest.fixture
def start(on_s3: Checkout) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts a run, in a process group of its own."""
    with contextlib.ExitStack() as stack:

        def start_one(*arguments: str) -> subprocess.Popen[str]:
            command = [sys.executable, "main.py", *arguments]
            return stack.enter_context(
                subprocess.Popen(
                    command,
                    cwd=on_s3.directory,
                    env=on_s3.environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.PIPE,
                    text=True,
                    start_new_session=True,
                )
            )

        yield start_one


def finish(process: subprocess.Popen[str]) -> Run:
    stdout, stderr = process.communicate(timeout=Checkout.timeout)
    return Run(process.returncode, stdout, stderr)


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


def find_leases(s3: S3Client, bucket: str) -> list[str]:
    return [key for key in read_objects(s3, bucket) if "/leases/" in key]


class Gate:
    """Holds back the first put of a kind, until it is closed; the put never happens."""

    def __init__(self, proxy: RecordingProxy, part: str) -> None:
        self.is_reached, self._is_closed = threading.Event(), threading.Event()
        self._part = part
        proxy.before = self._hold

    def _hold(self, method: str, path: str) -> None:
        if method == "PUT" and self._part in path and not self.is_reached.is_set():
            self.is_reached.set()
            self._is_closed.wait(60)
            raise ConnectionAbortedError

    def close(self) -> None:
        self._is_closed.set()


@pytest.mark.parametrize(("processes", "workers"), [(2, "1"), (2, "2"), (4, "1")])
def test_processes_share_a_run(
    on_s3: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client, processes: int, workers: str
) -> None:
    # All of them want to load the table before one has loaded it.
    want_to_load = threading.Semaphore(0)

    def hold(method: str, path: str) -> None:
        if method == "PUT" and "/leases/" in path and sum("/leases/" in other for _, other in proxy.requests) == 1:
            for _ in range(processes - 1):
                want_to_load.acquire(timeout=60)
        elif method == "PUT" and "/leases/" in path:
            want_to_load.release()

    proxy.before = hold
    runs = run_at_once(on_s3, processes, "--workers", workers)

    assert [run.exit_code for run in runs] == [0] * processes, "\n".join(run.stderr for run in runs)
    assert Counter(task for run in runs for task in run.tasks) == Counter(CHAIN)
    records = read_records(s3, bucket)
    assert len(records) == processes
    ran = Counter(task for record in records for task, state in record.items() if state == "ran")
    assert ran - Counter({"RunTask": processes}) == Counter(CHAIN)
    states = {state for record in records for state in record.values()}
    assert states <= {"ran", "up to date", "not needed"}
    assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["rows"] == "30"
    assert find_leases(s3, bucket) == []


def test_a_run_takes_over_from_one_that_was_killed(
    start: Callable[..., subprocess.Popen[str]], proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    gate = Gate(proxy, "/workspace/PreprocessTask")
    killed = start()
    assert gate.is_reached.wait(60)
    other = start()
    killed.kill()
    run = finish(other)
    gate.close()

    assert killed.wait() == -signal.SIGKILL
    assert run.exit_code == 0, run.stderr
    assert "is taken over: its holder has not renewed it for" in run.stderr
    assert run.tasks == CHAIN[1:]
    assert find_leases(s3, bucket) == []


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_signal_releases_the_lease(
    start: Callable[..., subprocess.Popen[str]], proxy: RecordingProxy, bucket: str, s3: S3Client, workers: str
) -> None:
    gate = Gate(proxy, "/workspace/PreprocessTask")
    stopped = start("--workers", workers)
    assert gate.is_reached.wait(60)
    assert len(find_leases(s3, bucket)) == 1
    stopped.send_signal(signal.SIGTERM)
    run = finish(stopped)
    gate.close()

    assert run.exit_code == 128 + signal.SIGTERM, run.stderr
    assert find_leases(s3, bucket) == []


def test_a_failure_releases_the_lease(on_s3: Checkout, bucket: str, s3: S3Client) -> None:
    run = on_s3.main("--require-acc", "1")

    assert run.exit_code == 40
    assert find_leases(s3, bucket) == []


def test_local_runs_at_once_tell_what_another_has_made(checkout: Checkout) -> None:
    checkout.edit("conf/param.ini", "[core]", "[core]\nno_lock=true")
    runs = run_at_once(checkout, 2)

    assert [run.exit_code for run in runs] == [0, 0], "\n".join(run.stderr for run in runs)
    for run in runs:
        made = [line.split()[3] for line in run.stderr.splitlines() if "is made already, by another run" in line]
        assert not set(made) & set(run.tasks)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_luigid_shares_out_the_tasks(on_s3: Checkout, tmp_path: Path, bucket: str, s3: S3Client, workers: str) -> None:
    with scheduling(tmp_path) as port:
        task = ("gokart_pipeline_sample.RunTask", "--scheduler-port", str(port), "--workers", workers)
        runs = run_at_once(on_s3, 2, *task)

    assert [run.exit_code for run in runs] == [0, 0], "\n".join(run.stderr for run in runs)
    assert Counter(task for run in runs for task in run.tasks) == Counter(CHAIN)
    assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["rows"] == "30"


def test_a_failure_ends_all_runs_that_share_a_scheduler(on_s3: Checkout, tmp_path: Path) -> None:
    with scheduling(tmp_path) as port:
        task = ("gokart_pipeline_sample.RunTask", "--scheduler-port", str(port), "--require-acc", "1")
        runs = run_at_once(on_s3, 2, *task)

    assert [run.exit_code for run in runs] == [40, 40], "\n".join(run.stderr for run in runs)


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
    assert Counter(task for run in runs for task in run.tasks) == Counter(CHAIN)
