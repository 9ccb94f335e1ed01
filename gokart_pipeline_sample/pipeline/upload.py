"""Publish the predictions."""

from __future__ import annotations

import functools
from typing import Any

import gokart
import luigi
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.s3 import S3CsvTarget
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.utils.s3_destination import S3DestinationTask


class UploadS3Task(S3DestinationTask[DataFrame[OutputSchema]]):
    """Puts a frame on S3 as CSV. It is done when the object is there and was put by this very task."""

    output_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[OutputSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that puts out the frame to publish.")
    )
    after: gokart.ListTaskInstanceParameter[gokart.TaskOnKart[Any]] = gokart.ListTaskInstanceParameter(
        default=[], description="Further tasks that must have succeeded before."
    )
    key: luigi.Parameter[str] = luigi.Parameter(default="output.csv", description="Key of the object.")

    def output(self) -> S3CsvTarget:
        """Return the object on S3."""
        return self._target

    @functools.cached_property
    def _target(self) -> S3CsvTarget:
        # One target for the life of the task: it remembers what S3 said of the object.
        return S3CsvTarget(self.bucket, self.key, self.make_unique_id(), self.encryption())

    def run(self) -> None:
        """Put the frame."""
        self.dump(self.load(self.output_task))
