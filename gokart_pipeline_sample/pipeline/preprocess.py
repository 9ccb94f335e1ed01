"""Add features."""

from __future__ import annotations

from typing import cast

import gokart
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask


class PreprocessTask(GokartTask[DataFrame[PreprocessedSchema]]):
    """Puts out the ``PreprocessedSchema`` frame of an ``IrisFeatureSchema`` frame."""

    data_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[IrisFeatureSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that puts out an IrisFeatureSchema frame.")
    )

    def run(self) -> None:
        """Add the features and keep the frame."""
        self.dump(self.preprocess(self.load(self.data_task)))

    @staticmethod
    def preprocess(data: DataFrame[IrisFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add all features. Training and prediction both use this function, so rows are never treated differently."""
        return PreprocessTask.add_area_feature(data)

    @staticmethod
    @pa.check_types(lazy=True)
    def add_area_feature(data: DataFrame[IrisFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add the area of the petals, to any number of rows, with or without a target.

        Args:
            data: flowers as they were measured; not changed.

        Returns:
            A new frame with the column ``petal_area`` (cm²).

        Raises:
            pandera.errors.SchemaErrors: either frame breaks its schema.
        """
        petal_area = PreprocessTask.make_area(data["petal_length"], data["petal_width"])
        return cast("DataFrame[PreprocessedSchema]", data.assign(petal_area=petal_area))

    @staticmethod
    def make_area(length: pd.Series[float], width: pd.Series[float]) -> pd.Series[float]:
        """Return the area (cm²) of rectangles, row by row, of the given length (cm) and width (cm)."""
        return length * width
