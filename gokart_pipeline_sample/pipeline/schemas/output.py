"""The table that is published."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema

if TYPE_CHECKING:
    Id: TypeAlias = Any
    Class: TypeAlias = Any
else:
    # The types of the input table.
    Id = FeatureSchema.python_type(FeatureSchema.id_column())
    Class = FeatureSchema.python_type(FeatureSchema.target_column())


class OutputSchema(BaseSchema):
    """The published table: a class for each row. Any other columns of a table of predictions are dropped."""

    id: Series[Id] = pa.Field(unique=True, metadata=ID, description="id of the row that the prediction is for")
    pred: Series[Class] = pa.Field(
        isin=FeatureSchema.target_classes(), metadata=TARGET, description="class that the model predicts"
    )

    class Config:
        strict = "filter"
