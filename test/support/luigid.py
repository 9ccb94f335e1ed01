"""luigi's central scheduler."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def scheduling(directory: Path) -> Iterator[int]:
    """Have the scheduler run for as long as the context lasts, and give its port.

    Args:
        directory: where it keeps its state.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    luigid = str(Path(sys.executable).with_name("luigid"))
    state = str(directory / "luigid.state")
    command = [luigid, "--address", "127.0.0.1", "--port", str(port), "--state-path", state]
    with subprocess.Popen(command, cwd=directory, stderr=subprocess.PIPE, text=True) as process:
        try:
            # It listens before it says so.
            if not any("Scheduler starting up" in line for line in process.stderr):
                raise OSError("luigid does not start")
            yield port
        finally:
            process.kill()


def list_tasks(port: int) -> dict[str, dict[str, Any]]:
    """Ask the scheduler for all tasks, by task id."""
    query = urllib.parse.urlencode({"data": json.dumps({"status": "", "upstream_status": ""})})
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/task_list?{query}") as answer:
        tasks: dict[str, dict[str, Any]] = json.load(answer)["response"]
    return tasks
