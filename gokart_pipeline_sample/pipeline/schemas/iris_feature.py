"""The input table."""

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema


class IrisFeatureSchema(BaseSchema):
    """Flowers as they were measured; the target is present for training and absent from new rows."""

    id: Series[int] = pa.Field(unique=True, metadata=ID, description="row number in the source table")
    sepal_length: Series[float] = pa.Field(gt=0, description="cm")
    sepal_width: Series[float] = pa.Field(gt=0, description="cm")
    petal_length: Series[float] = pa.Field(gt=0, description="cm")
    petal_width: Series[float] = pa.Field(gt=0, description="cm")
    target: Series[int] | None = pa.Field(
        isin=[0, 1, 2], metadata=TARGET, description="species: 0 setosa, 1 versicolor, 2 virginica"
    )
