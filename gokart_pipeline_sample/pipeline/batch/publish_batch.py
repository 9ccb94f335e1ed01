"""Publish a scored table."""

from __future__ import annotations

import functools
from typing import Any, cast

import gokart
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.s3_batch import S3ManifestTarget, S3PointerTarget
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.utils.template import GokartTask


class PublishBatchTask(GokartTask[dict[str, Any]]):
    """Points ``<prefix>/latest.json``, which readers follow, to the manifest of a scored table."""

    score_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[dict[str, Any]]] = gokart.TaskInstanceParameter(
        description="Task that outputs the manifest, an object on S3."
    )
    checked_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[OutputSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that checks the model.")
    )

    def output(self) -> S3PointerTarget:
        """Return the pointer on S3."""
        return self._target

    @functools.cached_property
    def _target(self) -> S3PointerTarget:
        manifest = cast("S3ManifestTarget", self.score_task.output())
        return manifest.make_pointer(self.make_unique_id())

    def run(self) -> None:
        """Put the pointer."""
        self.dump({"manifest": self._target.manifest.key})
