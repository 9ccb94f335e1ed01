from __future__ import annotations

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
