"""Make features."""

from __future__ import annotations

from typing import cast

import gokart
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.penguin_feature import PenguinFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask


class PreprocessTask(GokartTask[DataFrame[PreprocessedSchema]]):
    """Puts out the ``PreprocessedSchema`` frame of a ``PenguinFeatureSchema`` frame."""

    data_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PenguinFeatureSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that puts out a PenguinFeatureSchema frame.")
    )

    def run(self) -> None:
        """Add the features."""
        self.dump(self.preprocess(self.load(self.data_task)))

    @staticmethod
    def preprocess(data: DataFrame[PenguinFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Make what the model learns from: the one way for rows to train on and for new ones."""
        return PreprocessTask.add_bill_ratio(data)

    @staticmethod
    @pa.check_types(lazy=True)
    def add_bill_ratio(data: DataFrame[PenguinFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add how slender the bills are; rows with and without a target, and any number of them, are treated alike.

        Args:
            data: penguins as they were measured. It is left as it is.

        Returns:
            A new frame with the column ``bill_ratio``.

        Raises:
            pandera.errors.SchemaErrors: what comes in or goes out breaks its schema.
        """
        bill_ratio = data["bill_length_mm"] / data["bill_depth_mm"]
        return cast("DataFrame[PreprocessedSchema]", data.assign(bill_ratio=bill_ratio))
