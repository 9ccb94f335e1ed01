from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError

from gokart_pipeline_sample.io.tables.table import read_iris
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema


class TestIrisFeatureSchema:
    def test_takes_the_bundled_table(self) -> None:
        iris = read_iris()
        assert IrisFeatureSchema.validate(iris).equals(iris)

    @pytest.mark.parametrize("target", [[0, 3], [0.0, 1.0], [0, None]])
    def test_checks_a_target_that_is_there(self, rows: pd.DataFrame, target: list[object]) -> None:
        with pytest.raises(SchemaError, match="target"):
            IrisFeatureSchema.validate(rows.assign(target=target))

    def test_names_its_columns(self) -> None:
        assert IrisFeatureSchema.id_column() == "id"
        assert IrisFeatureSchema.target_column() == "target"
        lengths = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        assert IrisFeatureSchema.feature_columns() == lengths

    @pytest.mark.parametrize("column", ["sepal_length", "sepal_width", "petal_length", "petal_width"])
    def test_takes_positive_lengths_only(self, rows: pd.DataFrame, column: str) -> None:
        IrisFeatureSchema.validate(rows.assign(**{column: 1e-9}))
        for length in (0.0, -1e-9):
            with pytest.raises(SchemaError, match=column):
                IrisFeatureSchema.validate(rows.assign(**{column: length}))
