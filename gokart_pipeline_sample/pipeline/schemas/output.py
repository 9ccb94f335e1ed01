"""The table that is published, and the predictions that it is made of."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema

# The types of the input table; a target that is a number is predicted as a float.
Id = FeatureSchema.python_type(FeatureSchema.id_column())
Prediction = float if FeatureSchema.predicts_number() else FeatureSchema.python_type(FeatureSchema.target_column())
Probability = Series[float] | None if FeatureSchema.predicts_number() else Series[float]

INTERVAL = ["pred_low", "pred_high"]


class OutputSchema(BaseSchema):
    """The published table: a class or a number for each row, and any other columns."""

    id: Series[Id] = pa.Field(  # type: ignore[valid-type]
        unique=True, metadata=ID, description="id of the row that the prediction is for"
    )
    pred: Series[Prediction] = pa.Field(  # type: ignore[valid-type]
        isin=FeatureSchema.target_classes() or None, metadata=TARGET, description="class or number that is predicted"
    )

    class Config:
        strict = False


class PredictionSchema(OutputSchema):
    """Predictions with the probability of each class, one column per class: ``probability_0`` and so on.

    A number has the interval that ``TrainTask.interval`` asks for instead, in the unit of the target.
    """

    probability: Probability = pa.Field(  # type: ignore[valid-type]
        alias="probability_.+", regex=True, in_range={"min_value": 0, "max_value": 1}, description="softmax output"
    )
    pred_low: Series[float] | None = pa.Field(description="lower bound of a number")
    pred_high: Series[float] | None = pa.Field(description="upper bound of a number")
    reason: Series[str] | None = pa.Field(alias=r"reason_\d+", regex=True, description="feature and contribution")

    @classmethod
    def probability_columns(cls) -> list[str]:
        """Return the names of the probability columns, in the order of the classes."""
        return [f"probability_{name}" for name in cls.target_classes()]

    class Config:
        strict = True


def match_by_id(prediction: pd.DataFrame, ids: pd.Series[Any]) -> pd.DataFrame:
    """Return predictions, at least an ``OutputSchema``, in the order of ids; a ValueError gives unmatched ids."""
    by_id = prediction.set_index(OutputSchema.id_column())
    unmatched = by_id.index.symmetric_difference(pd.Index(ids))
    if not unmatched.empty:
        problem = f"{len(unmatched)} ids have no row or no prediction, the first of them {unmatched[:5].tolist()}"
        raise ValueError(f"{problem}: predict the very rows that are published")
    return by_id.loc[ids].reset_index()
