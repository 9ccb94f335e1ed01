from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors
from pandera.typing import Series
from support.fruits import FruitSchema

from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.pipeline.schemas.bad_rows import (
    Breaches,
    describe_breach,
    readable_ids,
    separate_rows,
)
from gokart_pipeline_sample.pipeline.schemas.base import ID, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema


def make_breaches(rows: list[int], column: str = "length", check: str = "greater_than(0)") -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "column": column, "check": check})


DATA = pd.DataFrame({"key": list("abcdefgh")})


class TestBreaches:
    def test_says_nothing_of_nothing(self) -> None:
        breaches = Breaches("key")
        breaches.add(make_breaches([]), DATA)
        assert str(breaches) == ""
        assert breaches.counts == {}

    def test_names_column_check_rows_and_ids(self) -> None:
        breaches = Breaches("key")
        breaches.add(make_breaches([2, 0]), DATA)
        assert str(breaches) == "length breaks greater_than(0) in 2 rows, the first of them with key ['c', 'a']"

    def test_counts_from_piece_to_piece_and_keeps_the_first_ids(self) -> None:
        breaches = Breaches("key")
        for rows in ([0, 1, 2], [3], [4, 5, 6], [7]):
            breaches.add(make_breaches(rows), DATA)
        assert breaches.counts == {("length", "greater_than(0)"): 8}
        assert breaches.ids == {("length", "greater_than(0)"): ["a", "b", "c", "d", "e"]}

    def test_tells_columns_and_checks_apart(self) -> None:
        breaches = Breaches("key")
        breaches.add(
            pd.concat(
                [make_breaches([1]), make_breaches([1, 2], check="not_nullable"), make_breaches([3], column="width")]
            ),
            DATA,
        )
        breaches.add(make_breaches([4], check="not_nullable"), DATA)
        assert str(breaches) == (
            "length breaks greater_than(0) in 1 rows, the first of them with key ['b']; "
            "length breaks not_nullable in 3 rows, the first of them with key ['b', 'c', 'e']; "
            "width breaks greater_than(0) in 1 rows, the first of them with key ['d']"
        )

    def test_finds_the_ids_by_the_index(self) -> None:
        breaches = Breaches("key")
        breaches.add(make_breaches([10]), DATA.set_axis(range(9, 17)))
        assert breaches.ids == {("length", "greater_than(0)"): ["b"]}

    def test_starts_without_what_another_has_counted(self) -> None:
        Breaches("key").add(make_breaches([1]), DATA)
        assert Breaches("key").counts == Breaches("key").ids == {}


class TestDescribeBreach:
    def test_says_it_in_one_clause(self) -> None:
        assert describe_breach("width", "not_nullable", 3, "id", [7, 8]) == (
            "width breaks not_nullable in 3 rows, the first of them with id [7, 8]"
        )


class TestReadableIds:
    def test_are_those_of_the_rows_that_have_one(self) -> None:
        ids = pd.DataFrame({"id": pd.Series([2**53 + 1, "x", None, 7], dtype=object)})
        readable = readable_ids(IrisFeatureSchema, ids)
        assert readable.tolist() == [2**53 + 1, 7]
        assert readable.dtype == "int64"

    def test_are_all_if_all_are_good(self, flowers: pd.DataFrame) -> None:
        assert readable_ids(IrisFeatureSchema, flowers[["id"]]).equals(flowers["id"])
        assert readable_ids(IrisFeatureSchema, flowers).equals(flowers["id"])

    def test_may_be_none(self, flowers: pd.DataFrame) -> None:
        assert readable_ids(IrisFeatureSchema, flowers[:0]).empty
        assert readable_ids(IrisFeatureSchema, pd.DataFrame({"id": pd.Series(["x", None], dtype=object)})).empty


def list_breaches(breaches: pd.DataFrame) -> list[tuple[object, ...]]:
    assert breaches.columns.tolist() == ["row", "column", "check"]
    return sorted(breaches.itertuples(index=False, name=None))


class TestSeparateRows:
    @pytest.fixture
    def rows(self, iris: pd.DataFrame) -> pd.DataFrame:
        """Eight flowers, whose index is not their position."""
        return iris[:8].set_axis(range(10, 18))

    def test_lets_good_rows_pass(self, rows: pd.DataFrame) -> None:
        good, breaches = separate_rows(IrisFeatureSchema, rows)
        pd.testing.assert_frame_equal(good, rows)
        assert list_breaches(breaches) == []

    @pytest.mark.parametrize("columns", [["target"], []])
    def test_takes_no_rows(self, rows: pd.DataFrame, columns: list[str]) -> None:
        good, breaches = separate_rows(IrisFeatureSchema, rows[:0].drop(columns=columns), [1])
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
        good, breaches = separate_rows(IrisFeatureSchema, data)
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
        good, breaches = separate_rows(IrisFeatureSchema, rows.assign(id=ids), duplicates)
        assert good.index.tolist() == [row for row in rows.index if row not in bad]
        assert list_breaches(breaches) == [(row, "id", "field_uniqueness") for row in bad]

    def test_names_every_reason_for_a_row(self, rows: pd.DataFrame) -> None:
        rows.loc[12, ["petal_width", "sepal_width"]] = [-1.0, float("nan")]
        good, breaches = separate_rows(IrisFeatureSchema, rows, [2])
        assert good.index.tolist() == [10, 11, *range(13, 18)]
        assert list_breaches(breaches) == [
            (12, "id", "field_uniqueness"),
            (12, "petal_width", "greater_than(0)"),
            (12, "sepal_width", "not_nullable"),
        ]

    def test_names_everything_that_is_unreadable_in_a_row(self, rows: pd.DataFrame) -> None:
        data = rows.astype(dict.fromkeys(["petal_width", "target"], object))
        data.loc[12, "petal_width"], data.loc[12, "target"] = "?", None
        _, breaches = separate_rows(IrisFeatureSchema, data, [2])
        assert list_breaches(breaches) == [
            (12, "id", "field_uniqueness"),
            (12, "petal_width", "dtype('float64')"),
            (12, "target", "not_nullable"),
        ]

    def test_takes_out_all_rows_and_keeps_the_types(self, rows: pd.DataFrame) -> None:
        good, breaches = separate_rows(
            IrisFeatureSchema, rows.assign(petal_width=pd.Series("?", index=rows.index, dtype=object))
        )
        pd.testing.assert_frame_equal(good, rows[:0], check_index_type=False)
        assert len(breaches) == len(rows)

    def test_gives_readable_columns_their_types(self, rows: pd.DataFrame) -> None:
        good, _ = separate_rows(IrisFeatureSchema, rows.astype(object))
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
            separate_rows(IrisFeatureSchema, change(rows))

    def test_refuses_rows_that_break_a_rule_about_a_column(self, rows: pd.DataFrame) -> None:
        class Schema(IrisFeatureSchema):
            @pa.check("petal_width", name="mean")
            def has_small_mean(cls, series: Series[float]) -> bool:  # noqa: N805
                return bool(series.mean() < 1)

        assert len(separate_rows(Schema, rows)[0]) == len(rows)
        with pytest.raises(SchemaErrors, match="mean"):
            separate_rows(Schema, rows.assign(petal_width=[-1.0] + [5.0] * 7))

    def test_takes_out_rows_that_break_a_rule_about_several_columns(self, rows: pd.DataFrame) -> None:
        class Schema(IrisFeatureSchema):
            @pa.dataframe_check(name="longer_than_wide")
            def is_longer_than_wide(cls, data: pd.DataFrame) -> pd.Series[bool]:  # noqa: N805
                return data["petal_length"] > data["petal_width"]

        rows.loc[12, "petal_width"] = 100.0
        good, breaches = separate_rows(Schema, rows)
        pd.testing.assert_frame_equal(good, rows.drop(index=12))
        assert set(breaches["row"]) == {12}
        assert set(breaches["check"]) == {"longer_than_wide"}


class TestSeparateRowsOfText:
    def test_lets_good_rows_pass(self, fruits: pd.DataFrame) -> None:
        good, breaches = separate_rows(FruitSchema, fruits)
        pd.testing.assert_frame_equal(good, fruits)
        assert list_breaches(breaches) == []

    def test_takes_out_a_row_and_leaves_the_others_their_types(self, fruits: pd.DataFrame) -> None:
        weight = pd.Series([1.0, None, "2,5"], dtype=object)
        good, breaches = separate_rows(FruitSchema, fruits.assign(weight=weight))
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
        good, breaches = separate_rows(FruitSchema, fruits)
        assert good["key"].tolist() == ["a", "c"]
        assert list_breaches(breaches) == [(1, column, check)]

    def test_takes_out_repeated_ids(self, fruits: pd.DataFrame) -> None:
        good, breaches = separate_rows(FruitSchema, fruits.assign(key=["a", "b", "b"]), ["a"])
        assert good.empty
        assert list_breaches(breaches) == [(row, "key", "field_uniqueness") for row in range(3)]

    def test_reads_ids(self, fruits: pd.DataFrame) -> None:
        fruits.loc[1, "key"] = None
        assert readable_ids(FruitSchema, fruits[["key"]]).tolist() == ["a", "c"]


class TestLongLists:
    def test_a_check_is_shortened_to_what_fits(self) -> None:
        shown = [describe_breach("width", "x" * length, 3, "id", [7]).split()[2] for length in (100, 101)]
        assert shown == ["x" * 100, "x" * 99 + "…"]

    def test_values_that_are_not_listed_are_named(self) -> None:
        class Schema(BaseSchema):
            key: Series[str] = pa.Field(metadata=ID)
            city: Series[str] = pa.Field(isin=[f"city {number:04}" for number in range(3000)])

        data = pd.DataFrame({"key": list("abcdefg"), "city": ["new 1", "city 0001", *(f"new {n}" for n in range(5))]})
        breaches = Breaches("key")
        for chunk in (data[:3], data[3:]):
            breaches.add(separate_rows(Schema, chunk)[1], chunk)
        message = str(breaches)
        assert message.startswith("city breaks isin(['city 0000', 'city 0001', ")
        assert message.endswith(
            "… in 6 rows, the first of them with key ['a', 'c', 'd', 'e', 'f'] "
            "and the values ['new 1', 'new 0', 'new 2', 'new 3', 'new 4']"
        )
        assert len(message) < 300


class AnySchema(BaseSchema):
    """A column of each kind."""

    id: Series[int] = pa.Field(metadata=ID)
    number: Series[float] = pa.Field(nullable=True)
    count: Series[int] = pa.Field(lt=1000)
    size: Series[pd.Int64Dtype] = pa.Field(nullable=True)
    flag: Series[bool] = pa.Field()
    day: Series[pd.Timestamp] = pa.Field(nullable=True)
    name: Series[str] = pa.Field(str_length=2)


def describe(path: Path, **cells: str) -> str:
    """Describe the only row of a table."""
    row = {"id": "7", "number": "0.5", "count": "3", "size": "3", "flag": "true", "day": "2024-01-31", "name": "ab"}
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow({**row, **cells})
    data = Table(str(path)).read(AnySchema.arrow_schema(list(row)))
    breaches = Breaches("id")
    breaches.add(separate_rows(AnySchema, data)[1], data)
    return str(breaches)


class TestValuesThatAreShown:
    @pytest.mark.parametrize(
        ("column", "cell", "shown"),
        [
            pytest.param("number", "5,1", "['5,1'] (decimal comma)", id="decimal comma"),
            pytest.param("number", "-,25", "['-,25'] (decimal comma)", id="decimal comma without a digit before it"),
            pytest.param("count", "5,0", "['5,0'] (decimal comma)", id="decimal comma in an integer"),
            pytest.param("number", "1,234.5", "['1,234.5'] (thousands separators)", id="thousands"),
            pytest.param("count", "1 234 567", "['1 234 567'] (thousands separators)", id="thousands with spaces"),
            pytest.param("number", "1\xa0234", r"['1\xa0234'] (thousands separators)", id="a space that nobody sees"),
            pytest.param("number", "1,234", "['1,234'] (decimal comma or thousands separators)", id="one of two"),
            pytest.param("number", "'5.1'", "[\"'5.1'\"] (quoted)", id="quoted"),
            pytest.param("count", '"5"', "['\"5\"'] (quoted)", id="quoted twice"),
            pytest.param("size", "'5'", "[\"'5'\"] (quoted)", id="quoted where a gap may be"),
            pytest.param("flag", '"true"', "['\"true\"'] (quoted)", id="quoted flag"),
            pytest.param("count", "2.5", "['2.5'] (fraction)", id="fraction"),
            pytest.param("size", "2.5", "['2.5'] (fraction)", id="fraction where a gap may be"),
            pytest.param("day", "2024-01-31 10:00 CET", "['2024-01-31 10:00 CET'] (zone)", id="zone"),
            pytest.param("day", "2024-01-31 10:00 Asia/Tokyo", "['2024-01-31 10:00 Asia/Tokyo'] (zone)", id="place"),
            pytest.param("number", "12%", "['12%']", id="unit"),
            pytest.param("number", "a\x00b", r"['a\x00b']", id="NUL"),
            pytest.param("number", "\ufeff5", r"['\ufeff5']", id="byte order mark"),
            pytest.param("flag", "yes", "['yes']", id="word"),
            pytest.param("number", "x" * 1000, "['xxxxxxxxxxxx...xxxxxxxxxxxxx']", id="long"),
        ],
    )
    def test_are_those_that_cannot_be_read(self, tmp_path: Path, column: str, cell: str, shown: str) -> None:
        message = describe(tmp_path / "table.csv", **{column: cell})
        start, _, end = message.partition(" in 1 rows, the first of them with id [7] and the values ")
        assert start.startswith(f"{column} breaks dtype('")
        assert end == shown

    def test_are_those_that_break_a_check_of_a_number(self, tmp_path: Path) -> None:
        message = "count breaks less_than(1000) in 1 rows, the first of them with id [7] and the values [5000]"
        assert describe(tmp_path / "table.csv", count="5000") == message

    def test_are_no_other_text_which_may_be_personal(self, tmp_path: Path) -> None:
        message = describe(tmp_path / "table.csv", name="Fujimoto")
        assert message == "name breaks str_length(2) in 1 rows, the first of them with id [7]"

    @pytest.mark.parametrize(("cell", "shown"), [("A-1", "['A-1']"), ("1,5", "['1,5'] (decimal comma)")])
    def test_are_not_ids_for_a_second_time(self, tmp_path: Path, cell: str, shown: str) -> None:
        message = describe(tmp_path / "table.csv", id=cell)
        assert message == f"id breaks dtype('int64') in 1 rows, the first of them with id {shown}"

    def test_are_not_missing_ones(self, tmp_path: Path) -> None:
        message = describe(tmp_path / "table.csv", count="")
        assert message == "count breaks not_nullable in 1 rows, the first of them with id [7]"
