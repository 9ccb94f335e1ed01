from __future__ import annotations

import datetime
import decimal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pyarrow as pq_types
import pyarrow.parquet as pq
import pytest
from pandera.typing import Series

from gokart_pipeline_sample.errors import SchemaDefinitionError
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.pipeline.model.model_input import encode_features
from gokart_pipeline_sample.pipeline.schemas.bad_rows import separate_rows
from gokart_pipeline_sample.pipeline.schemas.base import GROUP, ID, KEEP, TARGET, BaseSchema

# By annotation: two values as a user has them, their column in Parquet, and what the model sees of them.
DAY = datetime.date(2024, 1, 2)
TYPES: dict[Any, tuple[list[Any], Any, list[Any]]] = {
    bool: ([True, False], pq_types.bool_(), [1.0, 0.0]),
    int: ([3, -4], pq_types.int16(), [3.0, -4.0]),
    float: ([0.5, 2.0], pq_types.float32(), [0.5, 2.0]),
    "decimal": ([decimal.Decimal("0.50"), decimal.Decimal("2.00")], pq_types.decimal128(5, 2), [0.5, 2.0]),
    str: (["b", "a"], pq_types.string(), [1.0, 0.0]),
    pd.Int64Dtype: ([3, -4], pq_types.int64(), [3.0, -4.0]),
    pd.BooleanDtype: ([True, False], pq_types.bool_(), [1.0, 0.0]),
    pd.Timestamp: ([DAY, DAY], pq_types.date32(), [19724.0, 19724.0]),
    datetime.datetime: (
        [datetime.datetime(2024, 1, 2, 12), datetime.datetime(1970, 1, 1)],
        pq_types.timestamp("ms"),
        [19724.5, 0.0],
    ),
}
NOT_NULLABLE = (bool, int)
REFUSED = {
    datetime.date: "use pd.Timestamp",
    decimal.Decimal: "use float",
    object: "use float, int, bool, str or pd.Timestamp",
    bytes: "use float, int, bool, str or pd.Timestamp",
    pd.CategoricalDtype: "use str",
    pd.Float64Dtype: "use float",
    pd.Timedelta: "use float, for instance of seconds",
    np.float16: "use float",
}


def define(column: Any, role: dict[str, str] | None = None, **options: Any) -> type[BaseSchema]:
    """Define a schema with a column."""
    fields = {"column": pa.Field(metadata=role, **options)}
    return type("Schema", (BaseSchema,), {"__annotations__": {"column": Series[column]}, **fields})


def write_csv(values: list[Any], _: Any, folder: Path) -> str:
    path = folder / "table.csv"
    pd.DataFrame({"column": pd.Series(values, dtype=object)}).to_csv(path, index_label="row")
    return str(path)


def write_parquet(values: list[Any], arrow_type: Any, folder: Path) -> str:
    path = folder / "table.parquet"
    pq.write_table(pq_types.table({"column": pq_types.array(values, arrow_type)}), path)
    return str(path)


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("write", [write_csv, write_parquet])
@pytest.mark.parametrize("annotation", TYPES, ids=str)
class TestFeature:
    def test_is_read_or_refused(
        self, annotation: Any, write: Callable[[list[Any], Any, Path], str], nullable: bool, tmp_path: Path
    ) -> None:
        values, arrow_type, seen = TYPES[annotation]
        column = float if annotation == "decimal" else annotation
        if nullable and annotation in NOT_NULLABLE:
            instead = "pd.BooleanDtype" if annotation is bool else "pd.Int64Dtype"
            with pytest.raises(SchemaDefinitionError, match=rf"column is nullable .*: use {instead}$"):
                define(column, nullable=True)
            return
        schema = define(column, nullable=nullable)
        table = Table(write([*values, *[None] * nullable], arrow_type, tmp_path))
        rows = 3 if nullable else 2

        (chunk,) = table.read_chunks(schema.arrow_schema(["column"]), 10)
        good, breaches = separate_rows(schema, chunk)

        assert breaches.empty
        assert len(good) == rows
        feature = encode_features(schema, good)["column"]
        codes = feature.cat.codes.replace(-1, np.nan) if feature.dtype == "category" else feature
        assert codes.astype(float)[:2].tolist() == seen
        assert codes[2:].isna().all()

    def test_is_a_bad_row_if_it_is_missing_and_must_not_be(
        self, annotation: Any, write: Callable[[list[Any], Any, Path], str], nullable: bool, tmp_path: Path
    ) -> None:
        column = float if annotation == "decimal" else annotation
        if nullable and annotation in NOT_NULLABLE:
            pytest.skip("it is refused")
        schema = define(column, nullable=nullable)
        values, arrow_type, _ = TYPES[annotation]
        path = write([values[0], None, values[1]], arrow_type, tmp_path)
        (chunk,) = Table(path).read_chunks(schema.arrow_schema(["column"]), 10)
        good, breaches = separate_rows(schema, chunk)
        assert len(good) + breaches["row"].nunique() == len(chunk)
        assert breaches["check"].tolist() == ([] if nullable else ["not_nullable"])


@pytest.mark.parametrize("annotation", REFUSED)
@pytest.mark.parametrize("nullable", [False, True])
def test_a_feature_of_another_type_is_refused(annotation: Any, nullable: bool) -> None:
    with pytest.raises(SchemaDefinitionError, match=f"the feature column is .*: {REFUSED[annotation]}$"):
        define(annotation, nullable=nullable)


@pytest.mark.parametrize("nullable", [False, True])
@pytest.mark.parametrize("annotation", [bool, int, float, str, pd.Int64Dtype, pd.BooleanDtype, pd.Timestamp, *REFUSED])
class TestRole:
    def test_of_an_id(self, annotation: Any, nullable: bool) -> None:
        if annotation in (int, str) and not nullable:
            assert define(annotation, ID).id_column() == "column"
        else:
            with pytest.raises(SchemaDefinitionError, match=r"the id column is .*: use int, str, not nullable$"):
                define(annotation, ID, nullable=nullable)

    def test_of_a_target(self, annotation: Any, nullable: bool) -> None:
        if annotation in (bool, int, str) and not nullable:
            classes = {bool: [True, False], int: [2, 1], str: ["b", "a"]}[annotation]
            schema = define(annotation, TARGET, isin=classes)
            assert (schema.target_classes(), schema.predicts_number()) == (sorted(classes), False)
        if annotation in (int, float) and not nullable:
            schema = define(annotation, TARGET)
            assert (schema.target_classes(), schema.predicts_number()) == ([], True)
        elif annotation in (bool, str) and not nullable:
            with pytest.raises(SchemaDefinitionError, match="the target column needs an isin, which lists the classes"):
                define(annotation, TARGET)
        else:
            instead = "use int, str, bool, float, not nullable"
            with pytest.raises(SchemaDefinitionError, match=f"target column is .*: {instead}$"):
                define(annotation, TARGET, nullable=nullable)

    def test_of_a_group(self, annotation: Any, nullable: bool) -> None:
        if annotation in (int, str) and not nullable:
            schema = define(annotation, GROUP)
            assert (schema.group_column(), schema.feature_columns()) == ("column", [])
        else:
            with pytest.raises(SchemaDefinitionError, match=r"the group column is .*: use int, str, not nullable$"):
                define(annotation, GROUP, nullable=nullable)

    def test_of_a_target_with_classes_is_not_that_of_a_float(self, annotation: Any, nullable: bool) -> None:
        if annotation is float:
            problem = "the target column is .*float" if nullable else "the target column is a float, which is no class"
            with pytest.raises(SchemaDefinitionError, match=problem):
                define(annotation, TARGET, nullable=nullable, isin=[1.0, 2.0])

    def test_of_what_is_kept(self, annotation: Any, nullable: bool) -> None:
        if annotation in REFUSED or (nullable and annotation in NOT_NULLABLE):
            with pytest.raises(SchemaDefinitionError, match=r"the kept column is .*: use "):
                define(annotation, KEEP, nullable=nullable)
        else:
            assert define(annotation, KEEP, nullable=nullable).feature_columns() == []


@pytest.mark.parametrize("role", ["groups", "ID", "", None])
def test_a_role_that_is_unknown_is_refused(role: str | None) -> None:
    problem = f"^Schema: the column column has the role {role!r}: the roles are id, target, feature, kept, group$"
    with pytest.raises(SchemaDefinitionError, match=problem):
        define(float, {"role": role})


def test_all_columns_are_named_at_once() -> None:
    with pytest.raises(SchemaDefinitionError) as caught:

        class Schema(BaseSchema):
            key: Series[float] = pa.Field(metadata=ID)
            day: Series[datetime.date]
            fine: Series[float]
            count: Series[int] = pa.Field(nullable=True)

    assert str(caught.value) == (
        "Schema: the id key is float64: use int, str, not nullable; the feature day is date: use pd.Timestamp; "
        "the feature count is nullable int64: use pd.Int64Dtype"
    )


def test_a_time_with_a_zone_is_converted_to_utc(tmp_path: Path) -> None:
    zoned = pq_types.timestamp("us", tz="Asia/Tokyo")
    path = write_parquet([datetime.datetime(2024, 1, 2, 9, tzinfo=datetime.UTC)], zoned, tmp_path)
    schema = define(pd.Timestamp)
    (chunk,) = Table(path).read_chunks(schema.arrow_schema(["column"]), 10)
    assert separate_rows(schema, chunk)[0]["column"].tolist() == [pd.Timestamp("2024-01-02 09:00")]


@pytest.mark.parametrize("cell", ["9999-12-31", "05/01/2024", "2024-13-01", "2024-01-05T10:00:00 JST", "soon"])
def test_a_time_that_cannot_be_read_is_a_bad_row(cell: str, tmp_path: Path) -> None:
    schema = define(pd.Timestamp)
    path = write_csv(["2024-01-01", cell], None, tmp_path)
    (chunk,) = Table(path).read_chunks(schema.arrow_schema(["column"]), 10)
    good, breaches = separate_rows(schema, chunk)
    assert good["column"].tolist() == [pd.Timestamp("2024-01-01")]
    assert breaches["check"].tolist() == ["dtype('<M8[ns]')"] or "datetime64" in breaches["check"].iloc[0]


def test_classes_are_listed_beside_other_checks() -> None:
    for check in ({"ge": 0}, {"notin": [7]}):
        assert define(int, TARGET, isin=[2, 1], **check).target_classes() == [1, 2]
