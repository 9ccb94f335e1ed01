"""The table of predictions."""

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema


class PredictionSchema(OutputSchema):
    """Predictions with the probability of each class, one column per class: ``probability_0`` and so on."""

    probability: Series[float] = pa.Field(
        alias="probability_.+", regex=True, in_range={"min_value": 0, "max_value": 1}, description="softmax output"
    )

    @classmethod
    def probability_columns(cls) -> list[str]:
        """Return the names of the probability columns, in the order of the classes."""
        return [f"probability_{name}" for name in cls.target_classes()]

    class Config:
        strict = True
