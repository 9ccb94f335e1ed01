from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema


class TestPreprocessedSchema:
    def test_adds_a_feature(self) -> None:
        assert PreprocessedSchema.feature_columns() == [*IrisFeatureSchema.feature_columns(), "petal_area"]

    def test_takes_positive_areas_only(self, rows: pd.DataFrame) -> None:
        PreprocessedSchema.validate(rows.assign(petal_area=1e-9))
        for area in (0.0, -1e-9):
            with pytest.raises(SchemaError, match="petal_area"):
                PreprocessedSchema.validate(rows.assign(petal_area=area))
