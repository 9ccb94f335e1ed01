"""The task to run, with all tasks that it depends on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION, Encryption
from pipeline_runner.watch.report.settings import Report
from pipeline_runner.watch.task_graph import TaskGraph


class RootTask(NamedTuple):
    """The task to run.

    Args:
        arguments: its name and its options, as luigi takes them.
        graph: the task and its dependencies; only the task if they cannot be determined.
        report: settings of the report.
        lock_folder: folder in which luigi notes the running commands, if it does.
        error: why its dependencies cannot be determined, if they cannot.
    """

    arguments: list[str]
    graph: TaskGraph
    report: Report
    lock_folder: Path | None = None
    encryption: Encryption = BUCKET_ENCRYPTION
    error: Exception | None = None
