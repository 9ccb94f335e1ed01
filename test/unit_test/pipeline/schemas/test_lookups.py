from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
from distributed.protocol.pickle import dumps, loads
from pandera.errors import SchemaErrors
from pandera.typing import DataFrame, Series

from gokart_pipeline_sample.errors import BadRowsError, SettingError, TableError
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.schemas.bad_rows import preprocess_valid
from gokart_pipeline_sample.pipeline.schemas.base import ID, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.lookups import LookupsParameter
from gokart_pipeline_sample.utils.template import GokartTask


class GardenSchema(BaseSchema):
    """A lookup with a key, and two columns of which the second has repeated values."""

    sepal_length: Series[float] = pa.Field()
    garden: Series[str] = pa.Field(unique=True, metadata=ID)
    height: Series[float] = pa.Field(gt=0, nullable=True)


class GrownSchema(IrisFeatureSchema):
    height: Series[float] = pa.Field(gt=0)


LOOKUPS = LookupsParameter(gardens=GardenSchema)


class GrowTask(GokartTask[pd.DataFrame]):
    lookups = LOOKUPS


@pa.check_types(lazy=True, inplace=True)
def grow(data: DataFrame[IrisFeatureSchema], gardens: DataFrame[GardenSchema]) -> DataFrame[GrownSchema]:
    """Join as a user does, without a thought of the index."""
    return data.merge(gardens.drop(columns="garden"), on="sepal_length", how="left")


def grow_inside(data: pd.DataFrame, gardens: pd.DataFrame) -> pd.DataFrame:
    return data.merge(gardens, on="sepal_length", how="inner")


def grow_sorted(data: pd.DataFrame, gardens: pd.DataFrame) -> pd.DataFrame:
    return data.merge(gardens, on="sepal_length", how="left").sort_values("id", ascending=False)


@pytest.fixture(autouse=True)
def _forget_tables() -> Iterator[None]:
    open_table.cache_clear()
    yield
    open_table.cache_clear()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "gardens.csv", "sepal_length,garden,height\n5,north,1\n6,south,2\n7,east,3\n")


@pytest.fixture
def rows(flowers: pd.DataFrame) -> pd.DataFrame:
    """Five rows, of which the fourth has a length that no garden has."""
    return pd.concat([flowers] * 3, ignore_index=True)[:5].assign(id=range(5), sepal_length=[6.0, 5.0, 7.0, 8.0, 5.0])


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    open_table.cache_clear()
    return path


class TestLookupsParameter:
    def test_gives_a_task_the_identity_of_the_content(self, path: Path, tmp_path: Path) -> None:
        first = GrowTask(lookups={"gardens": str(path)})
        same = GrowTask(lookups={"gardens": str(write(tmp_path / "copy.csv", path.read_text()))})
        assert first.make_unique_id() == same.make_unique_id()
        assert first.lookups["gardens"] == str(path)

        write(path, path.read_text().replace("south", "west"))
        GrowTask.clear_instance_cache()
        assert GrowTask(lookups={"gardens": str(path)}).make_unique_id() != first.make_unique_id()

    def test_reads_a_dictionary_in_json(self, path: Path) -> None:
        assert LOOKUPS.parse(json.dumps({"gardens": str(path)})) == {"gardens": str(path)}

    @pytest.mark.parametrize("given", [{}, {"garden": "x.csv"}, {"gardens": "x.csv", "others": "y.csv"}, [], 3])
    def test_takes_the_lookups_that_have_a_schema(self, given: object) -> None:
        with pytest.raises(SettingError, match=r"LOOKUPS in preprocess.py names \['gardens'\]: name the same"):
            GrowTask(lookups=given)

    @pytest.mark.parametrize("place", ["nowhere.csv", 3])
    def test_names_a_table_that_is_not_there(self, place: object) -> None:
        with pytest.raises(TableError, match=f"{place} cannot be read"):
            GrowTask(lookups={"gardens": place})

    def test_names_the_lookup_and_the_rows_that_break_its_schema(self, path: Path) -> None:
        write(path, path.read_text().replace("north,1", "north,-1").replace("6,", "six,"))
        with pytest.raises(BadRowsError) as caught:
            LOOKUPS.bind(grow, {"gardens": str(path)})
        start, *breaches = str(caught.value).replace(": ", "; ", 1).split("; ")
        assert start == "the lookup gardens breaks GardenSchema"
        assert sorted(breaches) == [
            "height breaks greater_than(0) in 1 rows, the first of them with garden ['north'] and the values [-1.0]",
            "sepal_length breaks dtype('float64') in 1 rows, the first of them with garden ['south'] and the values "
            "['six']",
        ]

    def test_names_a_column_that_is_missing(self, path: Path) -> None:
        write(path, "garden,height\nnorth,1\n")
        with pytest.raises(TableError, match=r"gardens\.csv.*sepal_length"):
            LOOKUPS.bind(grow, {"gardens": str(path)})


class TestPreprocess:
    def test_joins_rows_whatever_their_index(self, rows: pd.DataFrame, path: Path) -> None:
        known = rows.drop(index=3)
        grown = LOOKUPS.bind(grow, {"gardens": str(path)})(known)
        assert grown["id"].to_dict() == {0: 0, 1: 1, 2: 2, 4: 4}
        assert grown["height"].to_dict() == {0: 2.0, 1: 1.0, 2: 3.0, 4: 1.0}

    def test_takes_no_rows(self, rows: pd.DataFrame, path: Path) -> None:
        assert LOOKUPS.bind(grow, {"gardens": str(path)})(rows[:0]).columns.tolist() == [*rows.columns, "height"]

    def test_is_sent_to_other_processes_with_its_lookups(self, rows: pd.DataFrame, path: Path) -> None:
        bound = loads(dumps(LOOKUPS.bind(grow, {"gardens": str(path)})))
        path.unlink()
        assert bound(rows[:3])["height"].tolist() == [2.0, 1.0, 3.0]

    def test_finds_the_rows_without_a_match(self, rows: pd.DataFrame, path: Path) -> None:
        bound = LOOKUPS.bind(grow, {"gardens": str(path)})
        with pytest.raises(SchemaErrors, match="height"):
            bound(rows)
        spoilt = rows.assign(petal_width=rows["petal_width"].mask(rows["id"] == 1, -1.0))
        grown, breaches = preprocess_valid(IrisFeatureSchema, spoilt, pd.Index([0]), bound)
        assert grown["id"].tolist() == [2, 4]
        assert sorted(breaches.itertuples(index=False, name=None)) == [
            (0, "id", "field_uniqueness"),
            (1, "petal_width", "greater_than(0)"),
            (3, "height", "not_nullable"),
        ]

    def test_rejects_no_other_row_where_a_join_multiplies_those_without_a_match(
        self, rows: pd.DataFrame, path: Path
    ) -> None:
        bound = LOOKUPS.bind(grow, {"gardens": str(write(path, path.read_text() + "8,west,\n8,south-west,\n"))})
        grown, breaches = preprocess_valid(IrisFeatureSchema, rows, pd.Index([]), bound)
        assert grown["id"].tolist() == [0, 1, 2, 4]
        assert set(breaches.itertuples(index=False, name=None)) == {(3, "height", "not_nullable")}

    @pytest.mark.parametrize("is_chunk", [False, True])
    @pytest.mark.parametrize(
        ("function", "text", "message"),
        [
            pytest.param(grow, "5,west,4\n", "makes 7 rows of 5", id="a value twice"),
            pytest.param(grow_inside, "", "makes 4 rows of 5", id="inner join"),
            pytest.param(grow_sorted, "", "makes 5 rows of 5, or moves them", id="another order"),
        ],
    )
    def test_refuses_a_join_that_loses_or_moves_rows(
        self, rows: pd.DataFrame, path: Path, function: object, text: str, message: str, is_chunk: bool
    ) -> None:
        if function is grow:
            text += "8,south-west,5\n"
        bound = LOOKUPS.bind(function, {"gardens": str(write(path, path.read_text() + text))})
        with pytest.raises(ValueError, match=f"preprocess {message}.*join with how='left'"):
            preprocess_valid(IrisFeatureSchema, rows, pd.Index([]), bound) if is_chunk else bound(rows)
