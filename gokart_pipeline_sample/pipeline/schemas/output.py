"""The table that goes out."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema


class OutputSchema(BaseSchema):
    """What is published: a class for each row. Further columns of a table of predictions are dropped."""

    id: Series[int] = pa.Field(unique=True, metadata=ID, description="id of the row that the prediction is for")
    pred: Series[int] = pa.Field(
        isin=IrisFeatureSchema.target_classes(), metadata=TARGET, description="predicted species"
    )

    class Config:
        strict = "filter"
