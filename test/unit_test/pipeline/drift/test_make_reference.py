from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.estimates import PLAIN_MODEL, make_prediction
from typeguard import CollectionCheckStrategy, check_type

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.drift.estimate import ESTIMATOR, get_confidence
from gokart_pipeline_sample.pipeline.drift.make_reference import (
    MakeReferenceTask,
    Reference,
    RowCounts,
    Shift,
    count_rows,
    measure_shift,
)
from gokart_pipeline_sample.pipeline.drift.shift import describe_column
from gokart_pipeline_sample.pipeline.model.model_input import select_features
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


@pytest.fixture
def prediction(model: Booster, parts: Parts) -> pd.DataFrame:
    return PredTask.predict(model, parts[2])


def make_odd_table(rows: int) -> pd.DataFrame:
    """Make up features of all kinds, as a model sees them."""
    numbers = np.arange(rows)
    colours = [["red", "blue", None][number % 3] for number in numbers]
    return pd.DataFrame(
        {
            "missing": np.full(rows, math.nan),
            "some missing": np.where(numbers % 3 == 0, math.nan, numbers / 7),
            "number": numbers,
            "flag": numbers % 2 == 0,
            "constant": np.full(rows, 5.0),
            "colour": pd.Series(colours, dtype="str").astype("category"),
            "no colour": pd.Series([None] * rows, dtype="str").astype("category"),
        }
    )


def make_odd_reference(train: pd.DataFrame, test: pd.DataFrame) -> Reference:
    columns = {str(name): describe_column(train[name], test[name]) for name in train}
    calibration = {"method": "none", "probabilities": [0.0, 1.0], "accuracies": [0.0, 1.0]}
    return Reference(
        rows=len(test),
        figures={"accuracy": 0.9},
        estimator={"variance": 0.002, "calibration": calibration},
        columns=columns,
    )


def load(document: Any, kind: Any) -> Any:
    """Return a document as JSON gives it back, if it is what is documented."""
    loaded = json.loads(json.dumps(document, allow_nan=False))
    assert loaded == document
    return check_type(loaded, kind, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)


class TestMakeReference:
    def test_describes_all_that_the_model_sees_and_what_it_predicts(
        self, reference: Reference, parts: Parts, prediction: pd.DataFrame
    ) -> None:
        assert list(reference["columns"]) == [*PreprocessedSchema.feature_columns(), ESTIMATOR.predicted]
        assert reference["rows"] == len(parts[2])
        assert reference["figures"]["accuracy"] == np.mean(
            prediction["pred"].to_numpy() == parts[2]["target"].to_numpy()
        )
        assert {sum(column["counts"]) for column in reference["columns"].values()} == {len(parts[2])}
        predicted = reference["columns"][ESTIMATOR.predicted]
        assert predicted["starts"] == parts[0]["target"].value_counts().index.tolist()
        assert predicted["counts"] == [*((prediction["pred"] == start).sum() for start in predicted["starts"]), 0, 0]

    def test_suggests_ranges_by_the_training_rows(self, reference: Reference, parts: Parts) -> None:
        for name in PreprocessedSchema.feature_columns():
            starts = reference["columns"][name]["starts"]
            assert (starts[0], starts[-1]) == (parts[0][name].min(), parts[0][name].max())

    def test_matches_predictions_by_id(
        self, reference: Reference, model: Booster, parts: Parts, prediction: pd.DataFrame
    ) -> None:
        shuffled = prediction.sample(frac=1, random_state=0)
        assert MakeReferenceTask.make_reference(model, shuffled, parts[0], parts[2]) == reference

    def test_learns_how_sure_the_model_may_be(
        self, reference: Reference, model: Booster, parts: Parts, prediction: pd.DataFrame
    ) -> None:
        known = reference["estimator"]["calibration"]
        assert known["method"] == "offset"
        wrong = parts[2].assign(target=(parts[2]["target"] + 1) % 3)
        other = MakeReferenceTask.make_reference(model, prediction, parts[0], wrong)
        assert other["figures"]["accuracy"] < 0.1
        assert max(other["estimator"]["calibration"]["accuracies"]) > max(known["accuracies"]) - 0.01
        confidence = get_confidence(model, prediction)
        assert confidence.tolist() == prediction.filter(like="probability_").max(axis=1).tolist()
        for each in (reference, other):
            line = each["estimator"]["calibration"]
            calibrated = np.interp(confidence, line["probabilities"], line["accuracies"])
            assert calibrated.mean() == pytest.approx(each["figures"]["accuracy"], abs=0.03)

    @pytest.mark.parametrize("rows", [1, 2, 30])
    def test_says_what_is_documented(self, model: Booster, parts: Parts, rows: int) -> None:
        test = parts[2][:rows]
        made = MakeReferenceTask.make_reference(model, PredTask.predict(model, test), parts[0], test)
        assert load(made, Reference)["rows"] == rows


class TestCountRows:
    def test_counts_the_test_rows_as_their_description_does(
        self, model: Booster, parts: Parts, prediction: pd.DataFrame, reference: Reference
    ) -> None:
        counts = count_rows(model, select_features(parts[2], {}), prediction, reference)
        assert counts["columns"] == {name: column["counts"] for name, column in reference["columns"].items()}
        shift = measure_shift([counts], reference)
        assert shift is not None
        assert [column["distance"] for column in shift["columns"].values()] == [0] * len(reference["columns"])
        assert not any(column["alarms"] for column in shift["columns"].values())
        assert shift["estimated_accuracy"]["low"] > 0.5
        assert shift["estimated_accuracy"]["accuracy"] == pytest.approx(reference["figures"]["accuracy"], abs=0.03)

    def test_sums_the_probabilities_of_the_predicted_classes(self) -> None:
        reference = make_odd_reference(pd.DataFrame(), pd.DataFrame(index=range(3)))
        counts = count_rows(PLAIN_MODEL, pd.DataFrame(index=range(3)), make_prediction([0.5, 1.0, 0.8]), reference)
        assert counts["rows"] == 3
        assert counts["expected"] == pytest.approx(2.3)
        assert counts["variance"] == pytest.approx(0.25 + 0 + 0.16)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("rows", [0, 1, 50])
    @pytest.mark.parametrize("known", [1, 50])
    def test_is_a_document_for_any_rows(self, known: int, rows: int) -> None:
        table, new = make_odd_table(known), make_odd_table(rows)
        reference = load(make_odd_reference(table, table), Reference)
        counts = load(count_rows(PLAIN_MODEL, new, make_prediction([0.9] * rows), reference), RowCounts)
        assert {sum(column) for column in counts["columns"].values()} == {rows}
        shift = measure_shift([counts], reference)
        if rows:
            assert load(shift, Shift)["columns"].keys() == reference["columns"].keys()
        else:
            assert shift is None


TABLE = make_odd_table(40).assign(number=lambda table: table["number"] ** 2)
ODD = make_odd_reference(TABLE[5:30], TABLE)
PREDICTIONS = make_prediction(np.random.default_rng(1).uniform(0.4, 1, len(TABLE)).tolist())


class TestMeasureShift:
    @settings(max_examples=25)
    @given(cuts=st.lists(st.integers(0, len(TABLE)), max_size=6).map(sorted))
    def test_gives_that_of_the_whole_table_for_any_cut(self, cuts: list[int]) -> None:
        whole = measure_shift([count_rows(PLAIN_MODEL, TABLE, PREDICTIONS, ODD)], ODD)
        bounds = zip([0, *cuts], [*cuts, len(TABLE)], strict=True)
        pieces = [count_rows(PLAIN_MODEL, TABLE[low:high], PREDICTIONS[low:high], ODD) for low, high in bounds]
        added = load(measure_shift(pieces, ODD), Shift)
        assert whole is not None
        assert (added["rows"], added["columns"]) == (len(TABLE), whole["columns"])
        assert added["estimated_accuracy"] == pytest.approx(whole["estimated_accuracy"])

    def test_is_none_without_rows(self) -> None:
        counts = count_rows(PLAIN_MODEL, TABLE[:0], PREDICTIONS[:0], ODD)
        assert measure_shift([counts, counts], ODD) is None
