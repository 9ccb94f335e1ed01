"""A table that is nothing like iris."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema


class FruitSchema(BaseSchema):
    """Text as id, as features and as target, and gaps in features."""

    key: Series[str] = pa.Field(unique=True, metadata=ID)
    color: Series[str] = pa.Field(isin=["red", "green", "blue"], nullable=True)
    shape: Series[str] = pa.Field(isin=["round", "long"])
    weight: Series[float] = pa.Field(gt=0, nullable=True)
    seeds: Series[int] = pa.Field(ge=0, alias="number of seeds")
    label: Series[str] | None = pa.Field(isin=["ripe", "raw"], metadata=TARGET)
