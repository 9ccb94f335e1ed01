"""Add features."""

from __future__ import annotations

from typing import cast

import gokart
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.penguin_feature import PenguinFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask


class PreprocessTask(GokartTask[DataFrame[PreprocessedSchema]]):
    """Outputs the ``PreprocessedSchema`` frame made from a ``PenguinFeatureSchema`` frame."""

    data_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PenguinFeatureSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that outputs a PenguinFeatureSchema frame.")
    )

    def run(self) -> None:
        """Add the features and save the frame."""
        self.dump(self.preprocess(self.load(self.data_task)))

    @staticmethod
    def preprocess(data: DataFrame[PenguinFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add all features; training and prediction share this function, so that their rows are treated alike."""
        return PreprocessTask.add_bill_ratio(data)

    @staticmethod
    @pa.check_types(lazy=True)
    def add_bill_ratio(data: DataFrame[PenguinFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add the ratio of bill length to bill depth to any number of rows, with or without a target.

        Args:
            data: penguins as they were measured; not modified.

        Returns:
            A new frame with the column ``bill_ratio``.

        Raises:
            pandera.errors.SchemaErrors: either frame breaks its schema.
        """
        bill_ratio = data["bill_length_mm"] / data["bill_depth_mm"]
        return cast("DataFrame[PreprocessedSchema]", data.assign(bill_ratio=bill_ratio))
