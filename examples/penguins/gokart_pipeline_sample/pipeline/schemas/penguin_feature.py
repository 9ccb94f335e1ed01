"""The input table."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema


class PenguinFeatureSchema(BaseSchema):
    """Penguins as they were measured; the sex is present for training and absent from new rows."""

    id: Series[str] = pa.Field(unique=True, metadata=ID, description="study and bird, such as PAL0708-N1A1")
    species: Series[str] = pa.Field(isin=["Adelie", "Chinstrap", "Gentoo"])
    island: Series[str] = pa.Field(isin=["Biscoe", "Dream", "Torgersen"])
    bill_length_mm: Series[float] = pa.Field(gt=0)
    bill_depth_mm: Series[float] = pa.Field(gt=0)
    flipper_length_mm: Series[float] = pa.Field(gt=0)
    body_mass_g: Series[float] = pa.Field(gt=0)
    delta_15_n: Series[float] = pa.Field(nullable=True, description="nitrogen isotopes in the blood, ‰")
    delta_13_c: Series[float] = pa.Field(nullable=True, description="carbon isotopes in the blood, ‰")
    sex: Series[str] | None = pa.Field(isin=["female", "male"], metadata=TARGET, description="determined from blood")
