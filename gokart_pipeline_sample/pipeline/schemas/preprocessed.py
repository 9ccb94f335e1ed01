"""The table that the model is trained on."""

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema


class PreprocessedSchema(IrisFeatureSchema):
    """Flowers with the features derived from the measurements."""

    petal_area: Series[float] = pa.Field(gt=0, description="petal length x petal width, cm²")
