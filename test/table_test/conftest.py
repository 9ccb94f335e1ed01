"""Rows to test the table's schema and preprocessing on."""

from __future__ import annotations

import pandas as pd
import pytest

from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema

ROWS = {
    "id": [7, 3],
    "sepal_length": [5.0, 6.0],
    "sepal_width": [3.0, 3.5],
    "petal_length": [1.5, 4.0],
    "petal_width": [0.5, 2.0],
    "target": [0, 2],
}


@pytest.fixture
def rows() -> pd.DataFrame:
    return pd.DataFrame(ROWS, dtype=object).astype(FeatureSchema.empty().dtypes)


@pytest.fixture
def lookups() -> dict[str, pd.DataFrame]:
    """What preprocess takes beside the rows, by argument."""
    return {}
