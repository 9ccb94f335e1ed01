"""Publish the predictions."""

from typing import cast

import gokart
import luigi
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.file_formats import CsvProcessor
from gokart_pipeline_sample.io.targets import S3CsvTarget
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import KeyParameter, TaskParameter
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, S3DestinationTask


class UploadS3Task(PublisherTask[DataFrame[OutputSchema]], S3DestinationTask[DataFrame[OutputSchema]]):
    """Puts a frame on S3 as CSV; complete if the object exists and was put by this very task."""

    output_task: TaskParameter[DataFrame[OutputSchema]] = TaskParameter("Outputs the frame to publish.")
    key: luigi.Parameter[str] = KeyParameter(default="output.csv", description="Key of the object.")
    bom: luigi.BoolParameter = gokart.ExplicitBoolParameter(default=False, description="Mark CSV as UTF-8, for Excel.")

    def output(self) -> S3CsvTarget:
        """Return the object on S3."""
        target = S3CsvTarget(self.bucket, self.key, self.make_unique_id(), self.encryption())
        types = {**PreprocessedSchema.empty().dtypes, **OutputSchema.empty().dtypes}
        target.processor = CsvProcessor(self.bom, [name for name, dtype in types.items() if dtype == "str"])
        return target

    def run(self) -> None:
        """Put the frame on S3."""
        self.dump(self.load(self.output_task))

    def describe(self) -> Published:
        """Return the accuracy or the mean absolute error, and the number of rows, from the object's metadata."""
        metadata = self.output().own_metadata()
        found = {name: float(metadata[name]) for name in ("accuracy", "mae") if name in metadata}
        rows = int(metadata["rows"]) if "rows" in metadata else None
        return Published(cast("Figures", {**found, "rows": rows}))
