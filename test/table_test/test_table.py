"""The promises that the pipeline relies on, for any table."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandera.errors import SchemaError

from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

PROJECT = Path(__file__).resolve().parents[2]

Preprocess = Callable[[pd.DataFrame], pd.DataFrame]


@pytest.fixture
def preprocess(lookups: dict[str, pd.DataFrame]) -> Preprocess:
    return functools.partial(PreprocessTask.preprocess, **lookups)


def test_the_code_is_that_of_the_project() -> None:
    """The other tests replace it, so these need a process of their own: make test."""
    for name in (PreprocessTask.__module__, FeatureSchema.__module__, PreprocessedSchema.__module__):
        assert Path(str(sys.modules[name].__file__)).is_relative_to(PROJECT / name.partition(".")[0])


class TestSchema:
    def test_takes_rows_with_and_without_a_target(self, rows: pd.DataFrame) -> None:
        FeatureSchema.validate(rows)
        FeatureSchema.validate(rows.drop(columns=FeatureSchema.target_column()))

    def test_takes_each_id_once(self, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaError, match="duplicate"):
            FeatureSchema.validate(pd.concat([rows, rows[:1]]))

    @pytest.mark.parametrize("column", FeatureSchema.new_row_columns())
    def test_needs_each_column(self, rows: pd.DataFrame, column: str) -> None:
        with pytest.raises(SchemaError, match="not in dataframe"):
            FeatureSchema.validate(rows.drop(columns=column))

    def test_knows_at_least_two_classes_unless_it_has_a_number(self) -> None:
        assert FeatureSchema.predicts_number() or len(set(FeatureSchema.target_classes())) > 1


class TestPreprocessing:
    """New rows come in pieces of any size, without a target, and their features must be those of training."""

    def test_gives_the_declared_features(self, rows: pd.DataFrame, preprocess: Preprocess) -> None:
        PreprocessedSchema.validate(preprocess(rows))

    def test_keeps_ids_and_order(self, rows: pd.DataFrame, preprocess: Preprocess) -> None:
        name = FeatureSchema.id_column()
        pd.testing.assert_series_equal(preprocess(rows)[name], rows[name])

    def test_leaves_its_argument_as_it_is(self, rows: pd.DataFrame, preprocess: Preprocess) -> None:
        before = rows.copy()
        preprocess(rows)
        pd.testing.assert_frame_equal(rows, before)

    def test_treats_each_row_alone(self, rows: pd.DataFrame, preprocess: Preprocess) -> None:
        alone = [preprocess(rows[place : place + 1].reset_index(drop=True)) for place in range(len(rows))]
        pd.testing.assert_frame_equal(pd.concat(alone, ignore_index=True), preprocess(rows))

    def test_does_not_look_at_the_target(self, rows: pd.DataFrame, preprocess: Preprocess) -> None:
        target = FeatureSchema.target_column()
        unlabelled = preprocess(rows.drop(columns=target))
        pd.testing.assert_frame_equal(unlabelled, preprocess(rows).drop(columns=target))
