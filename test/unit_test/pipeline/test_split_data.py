from __future__ import annotations

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors
from pandera.typing import Series

from gokart_pipeline_sample.pipeline import split_data
from gokart_pipeline_sample.pipeline.schemas.base import GROUP
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask


class TestSplit:
    def test_deals_out_every_row_once(self, preprocessed: pd.DataFrame) -> None:
        train, valid, test = SplitDataTask.split(preprocessed, 0.2, 0.2, random_state=42)
        assert (len(train), len(valid), len(test)) == (96, 24, 30)
        together = pd.concat([train, valid, test]).sort_values("id", ignore_index=True)
        assert together.equals(preprocessed)

    def test_depends_on_the_seed_alone(self, preprocessed: pd.DataFrame) -> None:
        first, again, other = (SplitDataTask.split(preprocessed, 0.2, 0.2, seed)[2] for seed in (42, 42, 43))
        assert first.equals(again)
        assert not first.equals(other)

    def test_gives_each_part_an_index_as_it_is_loaded_with(self, preprocessed: pd.DataFrame) -> None:
        for part in SplitDataTask.split(preprocessed, 0.2, 0.2, random_state=42):
            assert part.index.equals(pd.RangeIndex(len(part)))

    def test_names_a_missing_target(self, preprocessed: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            SplitDataTask.split(preprocessed.drop(columns="target"), 0.2, 0.2, random_state=42)

    def test_refuses_a_fraction_that_leaves_no_rows(self, preprocessed: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match="test_size"):
            SplitDataTask.split(preprocessed, 1.0, 0.2, random_state=42)


class TestSplitById:
    def test_leaves_each_row_in_its_part_when_the_table_grows(self, preprocessed: pd.DataFrame) -> None:
        parts = SplitDataTask.split(preprocessed, 0.2, 0.2, 42, "id")
        grown = pd.concat([preprocessed.assign(id=preprocessed["id"] + 1000), preprocessed], ignore_index=True)
        for before, after in zip(parts, SplitDataTask.split(grown, 0.2, 0.2, 42, "id"), strict=True):
            assert before["id"].tolist() == after["id"][after["id"] < 1000].tolist()

    def test_gives_parts_of_about_the_size_that_is_asked_for(self, preprocessed: pd.DataFrame) -> None:
        data = pd.concat([preprocessed.assign(id=preprocessed["id"] + 1000 * number) for number in range(40)])
        train, valid, test = SplitDataTask.split(data, 0.3, 0.1, 42, "id")
        assert (len(train), len(valid), len(test)) == pytest.approx((3780, 420, 1800), rel=0.1)
        assert len(train) + len(valid) + len(test) == len(data)

    def test_depends_on_the_seed_and_not_on_the_order_of_the_rows(self, preprocessed: pd.DataFrame) -> None:
        first, again, other = (
            set(SplitDataTask.split(rows, 0.2, 0.2, seed, "id")[2]["id"])
            for rows, seed in ((preprocessed, 42), (preprocessed[::-1], 42), (preprocessed, 43))
        )
        assert first == again != other

    def test_is_the_same_for_ever(self, preprocessed: pd.DataFrame) -> None:
        numbers = SplitDataTask.order_rows(preprocessed[:2], "id", 42)
        assert numbers.tolist() == [0.5537710773649734, 0.43166363949721465]

    def test_refuses_a_part_without_rows(self, preprocessed: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match="split_by=id gives 3 training, 0 validation and 0 test rows"):
            SplitDataTask.split(preprocessed[:3], 0.0, 0.0, 42, "id")


class TestSplitByColumn:
    def test_tests_on_the_latest_rows_and_keeps_equal_values_together(self, preprocessed: pd.DataFrame) -> None:
        train, valid, test = (
            part["sepal_length"] for part in SplitDataTask.split(preprocessed, 0.2, 0.2, 42, "sepal_length")
        )
        assert train.max() < valid.min() <= valid.max() < test.min()
        assert (len(train), len(valid), len(test)) == pytest.approx((96, 24, 30), abs=5)

    def test_takes_a_column_that_is_no_feature(self, preprocessed: pd.DataFrame) -> None:
        data = preprocessed.assign(day=pd.date_range("2024-01-01", periods=150)[::-1])
        assert SplitDataTask.order_rows(data, "day", 42).tolist() == pytest.approx(np.arange(150, 0, -1) / 150)

    def test_refuses_a_missing_value(self, preprocessed: pd.DataFrame) -> None:
        data = preprocessed.assign(sepal_length=preprocessed["sepal_length"].where(preprocessed["id"] > 2))
        with pytest.raises(ValueError, match=r"split_by: sepal_length is missing in \d+ rows: reject or fill them"):
            SplitDataTask.order_rows(data, "sepal_length", 42)

    @pytest.mark.parametrize("name", ["day", "target", ""])
    def test_refuses_what_is_no_column_with_an_order(self, preprocessed: pd.DataFrame, name: str) -> None:
        with pytest.raises(ValueError, match=rf"split_by is '{name}': give random, id or a column .*sepal_length, "):
            SplitDataTask.split(preprocessed, 0.2, 0.2, 42, name)


class GroupedSchema(PreprocessedSchema):
    flower: Series[str] | None = pa.Field(metadata=GROUP)


class TestSplitOfGroups:
    @pytest.fixture
    def grouped(self, preprocessed: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
        """Return flowers of forty plants, one to seven of each."""
        monkeypatch.setattr(split_data, "PreprocessedSchema", GroupedSchema)
        return preprocessed.assign(flower=make_plants(len(preprocessed)))

    @staticmethod
    def split(data: pd.DataFrame, split_by: str, seed: int = 42) -> tuple[pd.DataFrame, ...]:
        """Split the rows without the check of the schema, which is that of the table without groups."""
        return SplitDataTask.split.__wrapped__(data, 0.2, 0.2, seed, split_by)  # type: ignore[attr-defined,no-any-return]

    @pytest.mark.parametrize("split_by", ["random", "id", "sepal_length"])
    def test_leaves_groups_whole(self, grouped: pd.DataFrame, split_by: str) -> None:
        parts = self.split(grouped, split_by)
        assert sum(part["flower"].nunique() for part in parts) == grouped["flower"].nunique() == 40
        together = pd.concat(parts).sort_values("id", ignore_index=True)
        assert together.equals(grouped)

    @pytest.mark.parametrize("seed", range(5))
    def test_gives_parts_of_the_size_that_is_asked_for(self, grouped: pd.DataFrame, seed: int) -> None:
        assert [*map(len, self.split(grouped, "random", seed))] == pytest.approx([96, 24, 30], abs=7)

    @pytest.mark.parametrize("split_by", ["random", "id"])
    def test_depends_on_the_seed_and_not_on_the_order_of_the_rows(self, grouped: pd.DataFrame, split_by: str) -> None:
        first, again, other = (
            set(self.split(rows, split_by, seed)[2]["id"])
            for rows, seed in ((grouped, 42), (grouped[::-1], 42), (grouped, 43))
        )
        assert first == again != other

    def test_leaves_each_group_in_its_part_when_the_table_grows(self, grouped: pd.DataFrame) -> None:
        more = grouped.assign(id=grouped["id"] + 1000)
        grown = pd.concat([more, more.assign(id=more["id"] + 1000, flower="new " + more["flower"]), grouped])
        for before, after in zip(self.split(grouped, "id"), self.split(grown, "id"), strict=True):
            assert set(before["flower"]) == {each for each in after["flower"] if not each.startswith("new")}

    def test_gives_a_group_to_the_part_of_its_latest_row(self, grouped: pd.DataFrame) -> None:
        latest = [part.groupby("flower")["sepal_length"].max() for part in self.split(grouped, "sepal_length")]
        assert latest[0].max() < latest[1].min() <= latest[1].max() < latest[2].min()

    @pytest.mark.parametrize("split_by", ["random", "id", "sepal_length"])
    def test_names_the_group_if_there_is_one_alone(self, grouped: pd.DataFrame, split_by: str) -> None:
        problem = rf"split_by={split_by} gives .* as rows of a flower stay together \(add some to its 1 values\)"
        with pytest.raises(ValueError, match=problem):
            self.split(grouped.assign(flower="a"), split_by)

    def test_names_a_group_that_is_larger_than_the_parts(self, grouped: pd.DataFrame) -> None:
        grouped.loc[10:, "flower"] = "large"
        with pytest.raises(ValueError, match=r"as rows of a flower stay together \(add some to its"):
            [self.split(grouped, "random", seed) for seed in range(20)]

    def test_takes_as_many_groups_as_parts(self, grouped: pd.DataFrame) -> None:
        parts = self.split(grouped.assign(flower=[*"abc"] * 50), "random")
        assert [*map(len, parts)] == [50, 50, 50]

    def test_splits_pieces_of_a_table_alike(self, grouped: pd.DataFrame) -> None:
        whole = SplitDataTask.order_rows(grouped, "id", 42)
        pieces = [SplitDataTask.order_rows(rows, "id", 42) for rows in (grouped[:60], grouped[60:])]
        assert np.concatenate(pieces).tolist() == whole.tolist()


def make_plants(rows: int) -> np.ndarray:
    """Return the plants of some rows: one to seven of each, shuffled."""
    sizes = np.tile([1, 2, 3, 4, 5, 7, 4, 4], 5)
    assert sizes.sum() == rows
    return np.random.default_rng(0).permutation(np.repeat([f"plant {number}" for number in range(40)], sizes))
