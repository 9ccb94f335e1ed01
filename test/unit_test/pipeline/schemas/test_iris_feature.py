from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError

from gokart_pipeline_sample.pipeline.schemas import IrisFeatureSchema


class TestIrisFeatureSchema:
    def test_takes_the_bundled_table(self, iris: pd.DataFrame) -> None:
        assert IrisFeatureSchema.validate(iris).equals(iris)

    def test_takes_rows_with_and_without_a_target(self, flowers: pd.DataFrame) -> None:
        IrisFeatureSchema.validate(flowers)
        IrisFeatureSchema.validate(flowers.drop(columns="target"))

    @pytest.mark.parametrize("target", [[0, 3], [0.0, 1.0], [0, None]])
    def test_checks_a_target_that_is_there(self, flowers: pd.DataFrame, target: list[object]) -> None:
        with pytest.raises(SchemaError, match="target"):
            IrisFeatureSchema.validate(flowers.assign(target=target))

    def test_names_its_columns(self) -> None:
        assert IrisFeatureSchema.id_column() == "id"
        assert IrisFeatureSchema.target_column() == "target"
        lengths = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        assert IrisFeatureSchema.feature_columns() == lengths

    @pytest.mark.parametrize("column", ["sepal_length", "sepal_width", "petal_length", "petal_width"])
    def test_takes_positive_lengths_only(self, flowers: pd.DataFrame, column: str) -> None:
        IrisFeatureSchema.validate(flowers.assign(**{column: 1e-9}))
        for length in (0.0, -1e-9):
            with pytest.raises(SchemaError, match=column):
                IrisFeatureSchema.validate(flowers.assign(**{column: length}))

    def test_takes_each_id_once(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaError, match="id"):
            IrisFeatureSchema.validate(flowers.assign(id=7))
