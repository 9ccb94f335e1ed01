"""The task to run, with all tasks that it depends on."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from gokart.slack import SlackConfig

from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION, Encryption
from pipeline_runner.watch.report.settings import Report
from pipeline_runner.watch.task_graph import TaskGraph


class RootTask(NamedTuple):
    """The task to run."""

    arguments: list[str]  # its name and its options, as luigi takes them
    graph: TaskGraph  # only the task if its dependencies cannot be determined
    report: Report
    slack: SlackConfig
    lock_folder: Path | None = None  # where luigi notes the running commands, if it does
    encryption: Encryption = BUCKET_ENCRYPTION
    only_looks: bool = False  # whether one of gokart's modes looks at the task instead of running it
    error: Exception | None = None  # why its dependencies cannot be determined
