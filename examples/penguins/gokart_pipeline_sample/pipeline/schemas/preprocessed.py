"""The table that the model is trained on."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.penguin_feature import PenguinFeatureSchema


class PreprocessedSchema(PenguinFeatureSchema):
    """Penguins with the features derived from the measurements."""

    bill_ratio: Series[float] = pa.Field(gt=0, description="bill length / bill depth")
