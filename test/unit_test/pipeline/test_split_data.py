from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors

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
