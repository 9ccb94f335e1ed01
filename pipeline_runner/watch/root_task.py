"""The task to run, with all tasks that it depends on, and the settings of its report."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import luigi
from gokart import ExplicitBoolParameter
from gokart.slack import SlackConfig

from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION, Encryption
from pipeline_runner.watch.task_graph import TaskGraph


class Report(luigi.Config):
    """Settings of the report."""

    task_namespace = "gokart_pipeline_sample"

    write: luigi.BoolParameter = ExplicitBoolParameter(
        default=True, description="Whether a run in which a task ran or failed writes a report to the workspace."
    )
    publish: luigi.BoolParameter = ExplicitBoolParameter(
        default=True, description="Whether the report of a run that publishes is also put beside the output on S3."
    )


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
