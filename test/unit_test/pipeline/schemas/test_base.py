from __future__ import annotations

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas import (
    BaseSchema,
    IrisFeatureSchema,
    OutputSchema,
    PredictionSchema,
    PreprocessedSchema,
)
from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET

SCHEMAS = [IrisFeatureSchema, PreprocessedSchema, OutputSchema, PredictionSchema]


@pytest.mark.parametrize("schema", SCHEMAS)
class TestEverySchema:
    def test_describes_each_field(self, schema: type[BaseSchema]) -> None:
        assert all(column.description for column in schema.to_schema().columns.values())

    def test_allows_no_nulls_and_coerces_nothing(self, schema: type[BaseSchema]) -> None:
        assert not any(column.nullable or column.coerce for column in schema.to_schema().columns.values())

    def test_has_a_unique_id(self, schema: type[BaseSchema]) -> None:
        assert schema.to_schema().columns[schema.id_column()].unique

    def test_knows_the_classes(self, schema: type[BaseSchema]) -> None:
        assert schema.target_classes() == [0, 1, 2]


class TestRoles:
    def test_other_metadata_makes_no_difference(self) -> None:
        class Schema(BaseSchema):
            key: Series[str] = pa.Field(metadata={**ID, "unit": "none"})
            label: Series[str] = pa.Field(isin=["b", "a"], metadata=TARGET)
            features: Series[float] = pa.Field(metadata={"unit": "cm"})

        assert (Schema.id_column(), Schema.target_column()) == ("key", "label")
        assert Schema.feature_columns() == ["features"]
        assert Schema.target_classes() == ["a", "b"]

    def test_names_the_role_that_is_missing(self) -> None:
        class Schema(BaseSchema):
            length: Series[float]

        with pytest.raises(TypeError, match="Schema needs exactly one field"):
            Schema.id_column()


class TestSelectFeatures:
    def test_are_neither_the_id_nor_the_target(self, flowers: pd.DataFrame) -> None:
        features = IrisFeatureSchema.select_features(flowers)
        assert features.columns.tolist() == ["sepal_length", "sepal_width", "petal_length", "petal_width"]


class TestEncodeTarget:
    def test_is_the_number_of_the_class(self, flowers: pd.DataFrame) -> None:
        assert IrisFeatureSchema.encode_target(flowers).tolist() == [0, 2]

    def test_keeps_the_rows_apart_from_their_order(self, flowers: pd.DataFrame) -> None:
        assert IrisFeatureSchema.encode_target(flowers[::-1]).loc[0] == 0

    def test_names_a_missing_target(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            IrisFeatureSchema.encode_target(flowers.drop(columns="target"))


class TestRequireTarget:
    def test_takes_a_table_with_a_target(self, flowers: pd.DataFrame) -> None:
        IrisFeatureSchema.require_target(flowers)

    def test_names_the_target_that_is_missing(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            IrisFeatureSchema.require_target(flowers.drop(columns="target"))
