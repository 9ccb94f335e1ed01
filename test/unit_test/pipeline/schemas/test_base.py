from __future__ import annotations

from collections.abc import Callable

import pandas as pd
import pandera.pandas as pa
import pyarrow
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


class FruitSchema(BaseSchema):
    """Text as id, as features and as target, and gaps in features."""

    key: Series[str] = pa.Field(unique=True, metadata=ID)
    color: Series[str] = pa.Field(isin=["red", "green", "blue"], nullable=True)
    shape: Series[str] = pa.Field(isin=["round", "long"])
    weight: Series[float] = pa.Field(gt=0, nullable=True)
    seeds: Series[int] = pa.Field(ge=0, alias="number of seeds")
    label: Series[str] | None = pa.Field(isin=["ripe", "raw"], metadata=TARGET)


@pytest.fixture
def fruits() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": ["a", "b", "c"],
            "color": ["red", None, "green"],
            "shape": ["long", "round", "round"],
            "weight": [1.0, None, 2.5],
            "number of seeds": [2**53 + 1, 0, 3],
            "label": ["ripe", "raw", "ripe"],
        }
    )


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

    def test_are_categories_if_they_are_text(self, fruits: pd.DataFrame) -> None:
        features = FruitSchema.select_features(fruits)
        assert features.columns.tolist() == ["color", "shape", "weight", "number of seeds"]
        assert features["color"].cat.codes.tolist() == [2, -1, 1]
        assert features["shape"].cat.codes.tolist() == [0, 1, 1]
        assert features[["weight", "number of seeds"]].equals(fruits[["weight", "number of seeds"]])

    @pytest.mark.parametrize("rows", [0, 1, 2, 3])
    def test_have_all_categories_whatever_rows_are_there(self, fruits: pd.DataFrame, rows: int) -> None:
        features = FruitSchema.select_features(fruits[:rows])
        assert features["color"].cat.categories.tolist() == ["blue", "green", "red"]
        assert features["shape"].cat.categories.tolist() == ["long", "round"]

    def test_names_a_text_whose_categories_nobody_knows(self) -> None:
        class Schema(BaseSchema):
            note: Series[str]

        with pytest.raises(TypeError, match="Schema needs an isin for note"):
            Schema.select_features(pd.DataFrame({"note": ["a"]}))


class TestNewRowColumns:
    def test_are_all_but_the_target(self) -> None:
        assert FruitSchema.new_row_columns() == ["key", "color", "shape", "weight", "number of seeds"]

    def test_begin_with_the_id(self) -> None:
        class Schema(BaseSchema):
            length: Series[float]
            key: Series[int] = pa.Field(metadata=ID)

        assert Schema.new_row_columns() == ["key", "length"]


class TestArrowSchema:
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


class TestReadableIds:
    def test_are_those_of_the_rows_that_have_one(self) -> None:
        ids = pd.DataFrame({"id": pd.Series([2**53 + 1, "x", None, 7], dtype=object)})
        readable = IrisFeatureSchema.readable_ids(ids)
        assert readable.tolist() == [2**53 + 1, 7]
        assert readable.dtype == "int64"

    def test_are_all_if_all_are_good(self, flowers: pd.DataFrame) -> None:
        assert IrisFeatureSchema.readable_ids(flowers[["id"]]).equals(flowers["id"])
        assert IrisFeatureSchema.readable_ids(flowers).equals(flowers["id"])

    def test_may_be_none(self, flowers: pd.DataFrame) -> None:
        assert IrisFeatureSchema.readable_ids(flowers[:0]).empty
        assert IrisFeatureSchema.readable_ids(pd.DataFrame({"id": pd.Series(["x", None], dtype=object)})).empty


def list_breaches(breaches: pd.DataFrame) -> list[tuple[object, ...]]:
    assert breaches.columns.tolist() == ["row", "column", "check"]
    return sorted(breaches.itertuples(index=False, name=None))


class TestSift:
    @pytest.fixture
    def rows(self, iris: pd.DataFrame) -> pd.DataFrame:
        """Eight flowers, whose index is not their position."""
        return iris[:8].set_axis(range(10, 18))

    def test_lets_good_rows_pass(self, rows: pd.DataFrame) -> None:
        good, breaches = IrisFeatureSchema.sift(rows)
        pd.testing.assert_frame_equal(good, rows)
        assert list_breaches(breaches) == []

    @pytest.mark.parametrize("columns", [["target"], []])
    def test_takes_no_rows(self, rows: pd.DataFrame, columns: list[str]) -> None:
        good, breaches = IrisFeatureSchema.sift(rows[:0].drop(columns=columns), [1])
        pd.testing.assert_frame_equal(good, rows[:0].drop(columns=columns))
        assert list_breaches(breaches) == []

    @pytest.mark.parametrize(
        ("column", "value", "check"),
        [
            pytest.param("petal_width", 0.0, "greater_than(0)", id="check"),
            pytest.param("target", 3, "isin([0, 1, 2])", id="check of the target"),
            pytest.param("petal_width", float("nan"), "not_nullable", id="gap among floats"),
            pytest.param("target", None, "not_nullable", id="gap among integers"),
            pytest.param("id", None, "not_nullable", id="gap among ids"),
            pytest.param("petal_width", "0.2 cm", "dtype('float64')", id="unreadable float"),
            pytest.param("target", "rose", "dtype('int64')", id="unreadable integer"),
            pytest.param("id", "x", "dtype('int64')", id="unreadable id"),
        ],
    )
    def test_takes_out_a_row(self, rows: pd.DataFrame, column: str, value: object, check: str) -> None:
        data = rows.copy()
        if value is None or isinstance(value, str):
            data[column] = data[column].astype(object)
        data.loc[13, column] = value
        before = data.copy()
        good, breaches = IrisFeatureSchema.sift(data)
        pd.testing.assert_frame_equal(good, rows.drop(index=13))
        assert list_breaches(breaches) == [(13, column, check)]
        pd.testing.assert_frame_equal(data, before)

    @pytest.mark.parametrize(
        ("ids", "duplicates", "bad"),
        [
            pytest.param([0, 1, 2, 3, 4, 5, 6, 7], [2, 9], [12], id="rows elsewhere have the same id"),
            pytest.param([0, 1, 2, 3, 4, 2, 6, 7], [], [12, 15], id="rows here have the same id"),
            pytest.param([0, 1, 2, 3, 4, 2, 2, 7], [2, 7], [12, 15, 16, 17], id="both"),
        ],
    )
    def test_takes_out_every_row_of_a_repeated_id(
        self, rows: pd.DataFrame, ids: list[int], duplicates: list[int], bad: list[int]
    ) -> None:
        good, breaches = IrisFeatureSchema.sift(rows.assign(id=ids), duplicates)
        assert good.index.tolist() == [row for row in rows.index if row not in bad]
        assert list_breaches(breaches) == [(row, "id", "field_uniqueness") for row in bad]

    def test_names_every_reason_for_a_row(self, rows: pd.DataFrame) -> None:
        rows.loc[12, ["petal_width", "sepal_width"]] = [-1.0, float("nan")]
        good, breaches = IrisFeatureSchema.sift(rows, [2])
        assert good.index.tolist() == [10, 11, *range(13, 18)]
        assert list_breaches(breaches) == [
            (12, "id", "field_uniqueness"),
            (12, "petal_width", "greater_than(0)"),
            (12, "sepal_width", "not_nullable"),
        ]

    def test_names_everything_that_is_unreadable_in_a_row(self, rows: pd.DataFrame) -> None:
        data = rows.astype(dict.fromkeys(["petal_width", "target"], object))
        data.loc[12, "petal_width"], data.loc[12, "target"] = "?", None
        _, breaches = IrisFeatureSchema.sift(data, [2])
        assert list_breaches(breaches) == [
            (12, "id", "field_uniqueness"),
            (12, "petal_width", "dtype('float64')"),
            (12, "target", "not_nullable"),
        ]

    def test_takes_out_all_rows_and_keeps_the_types(self, rows: pd.DataFrame) -> None:
        good, breaches = IrisFeatureSchema.sift(rows.assign(petal_width=pd.Series("?", index=rows.index, dtype=object)))
        pd.testing.assert_frame_equal(good, rows[:0], check_index_type=False)
        assert len(breaches) == len(rows)

    def test_gives_readable_columns_their_types(self, rows: pd.DataFrame) -> None:
        good, _ = IrisFeatureSchema.sift(rows.astype(object))
        pd.testing.assert_frame_equal(good, rows)

    @pytest.mark.parametrize(
        "change",
        [
            pytest.param(lambda rows: rows.drop(columns="petal_width"), id="missing column"),
            pytest.param(lambda rows: rows.assign(petal_width=1), id="column of another type"),
            pytest.param(lambda rows: rows.assign(petal_width=1, sepal_width=-1.0), id="besides rows"),
            pytest.param(lambda rows: rows.assign(note=1), id="column that nobody described"),
        ],
    )
    def test_refuses_columns_that_are_wrong_as_a_whole(
        self, rows: pd.DataFrame, change: Callable[[pd.DataFrame], pd.DataFrame]
    ) -> None:
        with pytest.raises(SchemaErrors):
            IrisFeatureSchema.sift(change(rows))

    def test_refuses_rows_that_break_a_rule_about_a_column(self, rows: pd.DataFrame) -> None:
        class Schema(IrisFeatureSchema):
            @pa.check("petal_width", name="mean")
            def has_small_mean(cls, series: Series[float]) -> bool:  # noqa: N805
                return bool(series.mean() < 1)

        assert len(Schema.sift(rows)[0]) == len(rows)
        with pytest.raises(SchemaErrors, match="mean"):
            Schema.sift(rows.assign(petal_width=[-1.0] + [5.0] * 7))

    def test_takes_out_rows_that_break_a_rule_about_several_columns(self, rows: pd.DataFrame) -> None:
        class Schema(IrisFeatureSchema):
            @pa.dataframe_check(name="longer_than_wide")
            def is_longer_than_wide(cls, data: pd.DataFrame) -> pd.Series[bool]:  # noqa: N805
                return data["petal_length"] > data["petal_width"]

        rows.loc[12, "petal_width"] = 100.0
        good, breaches = Schema.sift(rows)
        pd.testing.assert_frame_equal(good, rows.drop(index=12))
        assert set(breaches["row"]) == {12}
        assert set(breaches["check"]) == {"longer_than_wide"}


class TestSiftText:
    def test_lets_good_rows_pass(self, fruits: pd.DataFrame) -> None:
        good, breaches = FruitSchema.sift(fruits)
        pd.testing.assert_frame_equal(good, fruits)
        assert list_breaches(breaches) == []

    def test_takes_out_a_row_and_leaves_the_others_their_types(self, fruits: pd.DataFrame) -> None:
        weight = pd.Series([1.0, None, "2,5"], dtype=object)
        good, breaches = FruitSchema.sift(fruits.assign(weight=weight))
        pd.testing.assert_frame_equal(good, fruits[:2])
        assert list_breaches(breaches) == [(2, "weight", "dtype('float64')")]

    @pytest.mark.parametrize(
        ("column", "value", "check"),
        [
            ("color", "violet", "isin(['red', 'green', 'blue'])"),
            ("shape", None, "not_nullable"),
            ("key", None, "not_nullable"),
            ("label", "rotten", "isin(['ripe', 'raw'])"),
            ("weight", -1.0, "greater_than(0)"),
        ],
    )
    def test_names_the_check(self, fruits: pd.DataFrame, column: str, value: object, check: str) -> None:
        fruits.loc[1, column] = value
        good, breaches = FruitSchema.sift(fruits)
        assert good["key"].tolist() == ["a", "c"]
        assert list_breaches(breaches) == [(1, column, check)]

    def test_takes_out_repeated_ids(self, fruits: pd.DataFrame) -> None:
        good, breaches = FruitSchema.sift(fruits.assign(key=["a", "b", "b"]), ["a"])
        assert good.empty
        assert list_breaches(breaches) == [(row, "key", "field_uniqueness") for row in range(3)]

    def test_reads_ids(self, fruits: pd.DataFrame) -> None:
        fruits.loc[1, "key"] = None
        assert FruitSchema.readable_ids(fruits[["key"]]).tolist() == ["a", "c"]


class TestEncodeTarget:
    def test_takes_classes_of_text(self, fruits: pd.DataFrame) -> None:
        assert FruitSchema.target_classes() == ["raw", "ripe"]
        assert FruitSchema.encode_target(fruits).tolist() == [1, 0, 1]

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
