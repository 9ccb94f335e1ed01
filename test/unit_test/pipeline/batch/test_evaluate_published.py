from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.pipeline.batch.evaluate_published import Evaluation, JoinTruthTask, find_alarms
from gokart_pipeline_sample.pipeline.drift.shift import estimate_accuracy
from gokart_pipeline_sample.pipeline.quality.scores import make_interval

PUBLISHED = pd.DataFrame({"id": [3, 1, 2, 5], "pred": [0, 1, 2, 2]})


class TestCountRight:
    def test_matches_rows_by_id(self) -> None:
        truth = pd.DataFrame({"id": [1, 2, 3, 4, 5], "target": [1, 2, 1, 0, 2]})
        assert JoinTruthTask.count_right(PUBLISHED, truth) == (4, 3)
        assert JoinTruthTask.count_right(PUBLISHED, truth[::-1]) == (4, 3)

    def test_passes_over_rows_whose_truth_is_not_known(self) -> None:
        truth = pd.DataFrame({"id": [1, 3, 9], "target": [1, None, 0]})
        assert JoinTruthTask.count_right(PUBLISHED, truth) == (1, 1)
        assert JoinTruthTask.count_right(PUBLISHED, truth[2:]) == (0, 0)

    @pytest.mark.parametrize("rows", [0, 4])
    def test_counts_no_rows(self, rows: int) -> None:
        truth = pd.DataFrame({"id": pd.Series(dtype="int64"), "target": pd.Series(dtype="int64")})
        assert JoinTruthTask.count_right(PUBLISHED[:rows], truth) == (0, 0)
        assert JoinTruthTask.count_right(PUBLISHED[:0], truth) == (0, 0)

    def test_takes_text(self) -> None:
        published = pd.DataFrame({"id": ["007", "NA"], "pred": ["1", "x"]}, dtype="str")
        truth = pd.DataFrame({"id": ["NA", "007"], "target": ["x", "2"]}, dtype="str")
        assert JoinTruthTask.count_right(published, truth) == (2, 1)

    def test_refuses_ids_that_occur_twice(self) -> None:
        truth = pd.DataFrame({"id": [1, 2, 2, 1, 3], "target": [1, 2, 1, 1, 0]})
        with pytest.raises(TableError, match=r"ids that occur more than once, the first of them \[2, 1\]"):
            JoinTruthTask.count_right(PUBLISHED, truth)


def evaluate(right: int, rows: int, estimated: tuple[float, float, float] | None = None) -> Evaluation:
    interval = make_interval(right / rows, rows)
    estimate = estimated and {"accuracy": estimated[0], "low": estimated[1], "high": estimated[2]}
    return Evaluation(rows=rows, accuracy=right / rows, interval=interval, estimated_accuracy=estimate, alarms=[])


class TestFindAlarms:
    def test_are_two_if_the_truth_is_far_below_gate_and_estimate(self) -> None:
        """The features are as before, and so is the estimate."""
        assert find_alarms(evaluate(152, 500, (0.8, 0.77, 0.83)), 1.0, 0.75) == [
            "the accuracy is 0.3040 (95% interval 0.2639 to 0.3464), more than 0.75 is required",
            "the accuracy is 0.3040 (95% interval 0.2639 to 0.3464), it was estimated as 0.8000 (0.7700 to 0.8300)",
        ]

    def test_are_none_without_an_estimate_above_the_gate(self) -> None:
        assert find_alarms(evaluate(152, 500), 1.0, 0.3) == []

    @pytest.mark.parametrize(
        ("rows", "known", "rings"), [(20, 1.0, True), (20, 0.9, True), (20, 0.01, False), (2000, 0.01, True)]
    )
    def test_judge_a_few_known_rows_by_the_upper_bound(self, rows: int, known: float, rings: bool) -> None:
        assert bool(find_alarms(evaluate(rows * 17 // 20, rows), known, 0.9)) is rings

    @pytest.mark.parametrize(("right", "rings"), [(90, True), (91, False)])
    def test_require_more_than_the_gate_as_the_gate_does(self, right: int, rings: bool) -> None:
        assert bool(find_alarms(evaluate(right, 100), 1.0, 0.9)) is rings

    @pytest.mark.parametrize(("right", "rings"), [(700, True), (870, False), (995, True)])
    def test_ring_on_both_sides_of_the_estimate(self, right: int, rings: bool) -> None:
        assert bool(find_alarms(evaluate(right, 1000, (0.9, 0.89, 0.91)), 1.0, 0.5)) is rings

    @pytest.mark.parametrize("rows", [50, 500, 5000])
    def test_hardly_ever_ring_on_an_ordinary_day(self, rows: int) -> None:
        generator = np.random.default_rng(0)
        alarms = 0
        for _ in range(500):
            probable = generator.uniform(0.7, 1.0, rows)
            estimated = estimate_accuracy(rows, probable.sum(), (probable * (1 - probable)).sum(), 2000, 0.85)
            right = int((generator.random(rows) < probable).sum())
            day = evaluate(right, rows, (estimated["accuracy"], estimated["low"], estimated["high"]))
            alarms += bool(find_alarms(day, 1.0, 0.5))
        assert alarms <= 2
