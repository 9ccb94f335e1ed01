"""The settings of the report."""

from __future__ import annotations

import luigi
from gokart import ExplicitBoolParameter


class Report(luigi.Config):
    """Settings of the report."""

    task_namespace = "gokart_pipeline_sample"

    write: luigi.BoolParameter = ExplicitBoolParameter(
        default=True, description="Whether a run in which a task ran or failed writes a report to the workspace."
    )
    publish: luigi.BoolParameter = ExplicitBoolParameter(
        default=True, description="Whether the report of a run that publishes is also put beside the output on S3."
    )
