from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.estimates import PLAIN_MODEL, fit_accuracy, make_prediction

from gokart_pipeline_sample.pipeline.batch.publish_batch import compare_rows, find_alarms
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference, Shift, count_rows, measure_shift
from gokart_pipeline_sample.pipeline.drift.shift import describe_column

ROWS = 40
TABLE = pd.DataFrame(
    {
        "number": np.arange(ROWS) ** 2,
        "constant": np.full(ROWS, 5.0),
        "colour": pd.Series(["red", "blue"] * (ROWS // 2), dtype="str").astype("category"),
    }
)
FIGURES, FITTED = fit_accuracy(np.linspace(0.4, 1.0, 200), np.arange(200) % 7 > 1)


def measure(new: pd.DataFrame, probability: float) -> Shift:
    """Return the shift of new rows whose predictions have the same calibrated probability."""
    columns = {str(name): describe_column(TABLE[name], TABLE[name]) for name in TABLE}
    honest = {"method": "none", "probabilities": [0.0, 1.0], "accuracies": [0.0, 1.0]}
    reference = Reference(rows=200, figures=FIGURES, estimator={**FITTED, "calibration": honest}, columns=columns)
    shift = measure_shift([count_rows(PLAIN_MODEL, new, make_prediction([probability] * ROWS), reference)], reference)
    assert shift is not None
    return shift


def find(shift: Shift | None, required: str, **model: Any) -> list[str]:
    return find_alarms({"shift": shift, "model": model}, required)  # type: ignore[typeddict-item]


class TestFindAlarms:
    def test_finds_none_without_rows(self) -> None:
        assert find(None, "accuracy>1.0") == []

    def test_tells_of_an_accuracy_that_is_too_low_and_of_each_shift(self) -> None:
        new = TABLE.assign(colour=pd.Series(["green"] * ROWS, dtype="str").astype("category"), constant=np.nan)
        first, *others = find(measure(new, 0.5), "accuracy>0.9", accuracy=0.95)
        assert first == "estimated: accuracy>0.9 is required and it is 0.5"
        assert {alarm.partition(":")[0] for alarm in others} == {"colour", "constant"}
        assert "colour: 100.0% of the values are new or out of the range of the training rows, 0.0% is usual" in others
        assert "constant: 100.0% of the values are missing, 0.0% is usual" in others

    def test_doubts_an_accuracy_only_if_its_whole_interval_is_too_low(self) -> None:
        shift = measure(TABLE, 0.8)
        high = shift["estimated_accuracy"]["high"]
        assert 0.8 < high < 1
        assert find(shift, f"accuracy>{high - 1e-6}") == []
        assert len(find(shift, f"accuracy>{high + 1e-6}")) == 1

    def test_requires_more_than_the_gate_as_the_gate_does(self) -> None:
        shift = measure(TABLE, 0.8)
        shift["estimated_accuracy"] = {"accuracy": 0.8, "low": 0.75, "high": 0.875}
        assert find(shift, "accuracy>=0.875") == []
        assert len(find(shift, "accuracy>0.875")) == 1

    def test_passes_over_figures_that_are_not_estimated(self) -> None:
        assert find(measure(TABLE, 0.8), "recall[1]>0.9, log_loss<0.01, accuracy>0.5") == []

    def test_takes_the_baseline_of_the_model(self) -> None:
        shift = measure(TABLE, 0.8)
        (alarm,) = find(shift, "accuracy>baseline+0.3", **{"baseline accuracy": 0.65})
        assert alarm == "estimated: accuracy>baseline+0.3 is required and it is 0.8, not 0.95"
        assert find(shift, "accuracy>baseline+0.1", **{"baseline accuracy": 0.65}) == []


class TestCompareRows:
    @pytest.mark.parametrize(
        ("rows", "earlier", "share"),
        [(50, [100], 0.5), (200, [100], 2.0), (7, [], 1.0), (100, [1, 90, 110, 5000], 1.0), (10, [0, 0, 0, 10], 1.0)],
    )
    def test_finds_nothing_from_half_of_the_median_to_twice_as_many(
        self, rows: int, earlier: list[int], share: float
    ) -> None:
        assert compare_rows(rows, earlier) == (share, [])

    @pytest.mark.parametrize(
        ("rows", "earlier", "share"), [(49, [100], 0.49), (201, [100], 2.01), (20, [200, 190, 5000], 0.1)]
    )
    def test_finds_far_fewer_and_far_more(self, rows: int, earlier: list[int], share: float) -> None:
        alarm = f"rows: {rows} are published, {share} times the usual number"
        assert compare_rows(rows, earlier) == (share, [alarm])

    @pytest.mark.parametrize("earlier", [[], [100], [0, 0]])
    def test_finds_that_there_is_no_row(self, earlier: list[int]) -> None:
        assert compare_rows(0, earlier) == (0.0, ["rows: 0 are published, 0.0 times the usual number"])
