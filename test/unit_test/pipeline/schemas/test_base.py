from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest
from pandera.errors import SchemaError, SchemaErrors
from pandera.typing import Series
from support.fruits import FruitSchema

from gokart_pipeline_sample.errors import SchemaDefinitionError
from gokart_pipeline_sample.io.tables.casts import LISTED
from gokart_pipeline_sample.pipeline.schemas.base import GROUP, ID, KEEP, TARGET, BaseSchema, passing_equal_ids
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema, PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

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

    def test_what_is_kept_is_no_feature(self) -> None:
        class Schema(BaseSchema):
            key: Series[str] = pa.Field(metadata=ID)
            day: Series[pd.Timestamp] = pa.Field(metadata=KEEP)
            name: Series[str] = pa.Field(metadata=KEEP, nullable=True)
            length: Series[float] = pa.Field(metadata={"role": "feature"})
            seen: Series[float] | None = pa.Field(metadata=KEEP)
            label: Series[str] | None = pa.Field(isin=["b", "a"], metadata=TARGET)

        assert Schema.feature_columns() == ["length"]
        assert Schema.open_text_columns() == []
        assert Schema.new_row_columns() == ["key", "length", "day", "name"]
        rows = pd.DataFrame({"key": ["a"], "length": [1.0], "day": pd.to_datetime(["2024-01-02"]).as_unit("ns")})
        Schema.validate(rows.assign(name=pd.Series([None], dtype="str")))
        with pytest.raises(SchemaError, match="'day' not in dataframe"):
            Schema.validate(rows.drop(columns="day"))

    def test_names_the_role_that_is_missing(self) -> None:
        class Schema(BaseSchema):
            length: Series[float]

        with pytest.raises(SchemaDefinitionError, match="Schema needs exactly one field"):
            Schema.id_column()

    @pytest.mark.parametrize("metadata", [ID, TARGET])
    def test_is_that_of_one_column_only(self, metadata: dict[str, str]) -> None:
        class Schema(BaseSchema):
            one: Series[str] = pa.Field(metadata=metadata, isin=["a"])
            two: Series[str] = pa.Field(metadata=metadata, isin=["a"])

        with pytest.raises(SchemaDefinitionError, match=r"exactly one field .*, it has 2"):
            (Schema.id_column if metadata is ID else Schema.target_column)()

    def test_of_a_group_is_that_of_one_column_at_most(self) -> None:
        class Schema(BaseSchema):
            one: Series[str] = pa.Field(metadata=GROUP)

        assert (Schema.group_column(), FruitSchema.group_column()) == ("one", None)
        with pytest.raises(SchemaDefinitionError, match=r"Other needs exactly one field with .*group.*, it has 2"):

            class Other(Schema):
                two: Series[str] = pa.Field(metadata=GROUP)

    def test_of_an_optional_group_is_not_needed_in_new_rows(self) -> None:
        class Optional(BaseSchema):
            key: Series[int] = pa.Field(metadata=ID)
            customer: Series[int] | None = pa.Field(metadata=GROUP)

        class Needed(BaseSchema):
            key: Series[int] = pa.Field(metadata=ID)
            customer: Series[int] = pa.Field(metadata=GROUP)

        assert (Optional.new_row_columns(), Needed.new_row_columns()) == (["key"], ["key", "customer"])


class TestColumns:
    class Schema(BaseSchema):
        known: Series[float] = pa.Field(nullable=True)
        narrow: Series[np.float32]

    def test_are_finite_or_missing(self) -> None:
        frame = pd.DataFrame({"known": [1.0, None], "narrow": np.array([1, 2], dtype="float32")})
        assert self.Schema.validate(frame).equals(frame)
        for column in ("known", "narrow"):
            for value in (np.inf, -np.inf):
                with pytest.raises(SchemaError, match=f"{column}.*finite"):
                    self.Schema.validate(frame.assign(**{column: np.array([1, value], dtype=frame[column].dtype)}))

    def test_are_those_that_are_described_and_each_of_them_once(self) -> None:
        frame = pd.DataFrame({"known": [1.0], "narrow": np.array([1], dtype="float32")})
        with pytest.raises((SchemaError, SchemaErrors), match="other"):
            self.Schema.validate(frame.assign(other=1))
        with pytest.raises((SchemaError, SchemaErrors), match="narrow"):
            self.Schema.validate(pd.concat([frame, frame["narrow"]], axis=1))


class TestNewRowColumns:
    def test_are_all_but_the_target(self) -> None:
        assert FruitSchema.new_row_columns() == ["key", "color", "shape", "weight", "number of seeds"]

    def test_begin_with_the_id(self) -> None:
        class Schema(BaseSchema):
            length: Series[float]
            key: Series[int] = pa.Field(metadata=ID)

        assert Schema.new_row_columns() == ["key", "length"]


class TestArrowSchema:
    def test_has_the_words_that_are_missing_elsewhere(self) -> None:
        class Schema(BaseSchema):
            id: Series[str] = pa.Field(metadata=ID)
            country: Series[str] = pa.Field(isin=["NZ", "null", "NA"])
            unit: Series[str] = pa.Field(isin=["", "cm"], nullable=True)
            name: Series[str]
            size: Series[int] = pa.Field(isin=[0, 1])
            label: Series[str] | None = pa.Field(isin=["NA", "b"], metadata=TARGET)

        schema = Schema.arrow_schema(["label", *Schema.new_row_columns()])
        listed = {field.name: field.metadata for field in schema}
        assert listed == {
            "label": {LISTED: b"NA"},
            "id": None,
            "country": {LISTED: b"NA,null"},
            "unit": {LISTED: b""},
            "name": None,
            "size": None,
        }

    def test_has_the_types_and_the_order_that_is_asked_for(self) -> None:
        schema = FruitSchema.arrow_schema(["label", "weight", "number of seeds", "key"])
        assert schema.names == ["label", "weight", "number of seeds", "key"]
        assert schema.types[1:3] == [pyarrow.float64(), pyarrow.int64()]
        assert all(schema.field(name).type in (pyarrow.string(), pyarrow.large_string()) for name in ("label", "key"))
        assert schema.metadata is None

    def test_describes_new_rows(self) -> None:
        schema = IrisFeatureSchema.arrow_schema(IrisFeatureSchema.new_row_columns())
        assert schema.names == ["id", "sepal_length", "sepal_width", "petal_length", "petal_width"]
        assert schema.types == [pyarrow.int64(), *[pyarrow.float64()] * 4]


class TestPythonType:
    @pytest.mark.parametrize(
        ("column", "python_type"), [("key", str), ("weight", float), ("number of seeds", int), ("label", str)]
    )
    def test_is_what_the_column_is_annotated_with(self, column: str, python_type: type) -> None:
        assert FruitSchema.python_type(column) is python_type


class TestRequireTarget:
    def test_takes_a_table_with_a_target(self, flowers: pd.DataFrame) -> None:
        IrisFeatureSchema.require_target(flowers)

    def test_names_the_target_that_is_missing(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            IrisFeatureSchema.require_target(flowers.drop(columns="target"))


class TestPassingEqualIds:
    def test_ends_with_the_block_and_passes_nothing_else(self, flowers: pd.DataFrame) -> None:
        equal = flowers.assign(id=1)
        with passing_equal_ids():
            IrisFeatureSchema.validate(equal)
            with pytest.raises(SchemaError, match="petal_width"):
                IrisFeatureSchema.validate(equal.assign(petal_width=-1.0))
            with pytest.raises(SchemaError, match=r"petal_length.*finite"):
                IrisFeatureSchema.validate(equal.assign(petal_length=np.inf))
        with pytest.raises(SchemaError, match="duplicate"):
            IrisFeatureSchema.validate(equal)
