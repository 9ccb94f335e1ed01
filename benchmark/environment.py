"""The environment of the processes that are measured."""

from __future__ import annotations

import os
from pathlib import Path

from pipeline_runner.local_s3 import embedded_s3

PROJECT = Path(__file__).resolve().parents[1]


def make_environment(server: embedded_s3.EmbeddedS3 | None = None, **variables: str) -> dict[str, str]:
    """Return this process's environment, with the given server or without any.

    Python keeps its byte code, as it does unless it is told otherwise.
    """
    dropped = ("AWS_", "BUCKET_NAME", "PYTHONDONTWRITEBYTECODE")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, **(server.environment() if server else {}), **variables}


def write_ini(path: Path, workspace: str | Path, project: Path = PROJECT, *, report: bool = True) -> Path:
    """Write the project's ini file with another workspace."""
    text = (project / "conf" / "param.ini").read_text().replace("./resources", str(workspace))
    path.write_text(text if report else text.replace("write=true", "write=false"))
    return path
