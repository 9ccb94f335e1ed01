"""Add features."""

from __future__ import annotations

from typing import cast

import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.lookups import LookupsParameter
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask

LOOKUPS = LookupsParameter()  # argument=Schema of each further table that preprocess() takes


class PreprocessTask(GokartTask[DataFrame[PreprocessedSchema]]):
    """Outputs the ``PreprocessedSchema`` frame made from an ``IrisFeatureSchema`` frame."""

    data_task: TaskParameter[DataFrame[IrisFeatureSchema]] = TaskParameter("Outputs an IrisFeatureSchema frame.")
    lookups: LookupsParameter = LOOKUPS

    def run(self) -> None:
        """Add the features and save the frame."""
        preprocess = LOOKUPS.bind(self.preprocess, self.lookups)
        self.dump(preprocess(self.load(self.data_task)))

    @staticmethod
    def preprocess(data: DataFrame[IrisFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Add all features; training and prediction share this function, so that their rows are treated alike."""
        return PreprocessTask.add_area_feature(data)

    @staticmethod
    # In place: a schema converts nothing, so it needs no copy.
    @pa.check_types(lazy=True, inplace=True)
    def add_area_feature(data: DataFrame[IrisFeatureSchema]) -> DataFrame[PreprocessedSchema]:
        """Return a new frame with the column ``petal_area`` (cm²), of any number of rows, with or without a target."""
        petal_area = PreprocessTask.make_area(data["petal_length"], data["petal_width"])
        return cast("DataFrame[PreprocessedSchema]", data.assign(petal_area=petal_area))

    @staticmethod
    def make_area(length: pd.Series[float], width: pd.Series[float]) -> pd.Series[float]:
        """Return the area (cm²) of rectangles with the given lengths (cm) and widths (cm), row by row."""
        return length * width
