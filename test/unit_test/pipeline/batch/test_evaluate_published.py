from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report
from support.estimates import fit_accuracy

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.pipeline.batch.evaluate_published import JoinTruthTask, find_alarms
from gokart_pipeline_sample.pipeline.drift.shift import bound_mean
from gokart_pipeline_sample.pipeline.quality.scores import make_interval, score_labels

PUBLISHED = pd.DataFrame({"id": [3, 1, 2, 5], "pred": [0, 1, 2, 2]})


def join(published: pd.DataFrame, truth: pd.DataFrame) -> list[tuple[int, int]]:
    """Return the true and the predicted class, row by row."""
    return list(zip(*(codes.tolist() for codes in JoinTruthTask.join(published, truth)), strict=True))


class TestJoin:
    def test_matches_rows_by_id(self) -> None:
        truth = pd.DataFrame({"id": [1, 2, 3, 4, 5], "target": [1, 2, 1, 0, 2]})
        assert join(PUBLISHED, truth) == [(1, 0), (1, 1), (2, 2), (2, 2)]
        assert join(PUBLISHED, truth[::-1]) == [(1, 0), (1, 1), (2, 2), (2, 2)]

    def test_passes_over_rows_whose_truth_is_not_known(self) -> None:
        truth = pd.DataFrame({"id": [1, 3, 9], "target": [1, None, 0]})
        assert join(PUBLISHED, truth) == [(1, 1)]
        assert join(PUBLISHED, truth[2:]) == []

    @pytest.mark.parametrize("rows", [0, 4])
    def test_joins_no_rows(self, rows: int) -> None:
        truth = pd.DataFrame({"id": pd.Series(dtype="int64"), "target": pd.Series(dtype="int64")})
        assert join(PUBLISHED[:rows], truth) == []
        assert join(PUBLISHED[:0], truth) == []

    def test_refuses_ids_that_occur_twice(self) -> None:
        truth = pd.DataFrame({"id": [1, 2, 2, 1, 3], "target": [1, 2, 1, 1, 0]})
        with pytest.raises(TableError, match=r"ids that occur more than once, the first of them \[2, 1\]"):
            join(PUBLISHED, truth)


def find(
    right: int, rows: int, require_acc: float, estimated: list[float] | None = None, known: float = 1.0
) -> list[str]:
    """Return the alarms of a batch with so many right rows."""
    figures = {"accuracy": [right / rows, *[*make_interval(right / rows, rows).values()][1:]]}  # type: ignore[list-item]
    return find_alarms(figures, estimated, known, f"accuracy>{require_acc}, ")  # type: ignore[arg-type]


class TestFindAlarms:
    def test_are_two_if_the_truth_is_far_below_gate_and_estimate(self) -> None:
        """The features are as before, and so is the estimate."""
        assert find(152, 500, 0.75, [0.8, 0.77, 0.83]) == [
            "accuracy>0.75 is required and it is 0.304",
            "the accuracy is 0.304 (95% interval 0.2639 to 0.3464), it was estimated as 0.8 (0.77 to 0.83)",
        ]

    def test_are_none_without_an_estimate_above_the_gate(self) -> None:
        assert find(152, 500, 0.3) == []

    @pytest.mark.parametrize(
        ("rows", "known", "rings"), [(20, 1.0, True), (20, 0.9, True), (20, 0.01, False), (2000, 0.01, True)]
    )
    def test_judge_a_few_known_rows_by_the_upper_bound(self, rows: int, known: float, rings: bool) -> None:
        assert bool(find(rows * 17 // 20, rows, 0.9, known=known)) is rings

    @pytest.mark.parametrize(("right", "rings"), [(90, True), (91, False)])
    def test_require_more_than_the_gate_as_the_gate_does(self, right: int, rings: bool) -> None:
        assert bool(find(right, 100, 0.9)) is rings

    @pytest.mark.parametrize(("right", "rings"), [(700, True), (870, False), (995, True)])
    def test_ring_on_both_sides_of_the_estimate(self, right: int, rings: bool) -> None:
        assert bool(find(right, 1000, 0.5, [0.9, 0.89, 0.91])) is rings

    @pytest.mark.parametrize("rows", [50, 500, 5000])
    def test_hardly_ever_ring_on_an_ordinary_day(self, rows: int) -> None:
        generator = np.random.default_rng(0)
        alarms, test_variance = 0, fit_accuracy(np.full(2000, 0.85), np.arange(2000) < 1700)[1]["variance"]
        for _ in range(500):
            probable = generator.uniform(0.7, 1.0, rows)
            estimated = bound_mean(probable.sum(), (probable * (1 - probable)).sum(), rows, test_variance)
            right = int((generator.random(rows) < probable).sum())
            alarms += bool(find(right, rows, 0.5, estimated))
        assert alarms <= 2


class TestRequiredFigures:
    """Of 1,000 rows, 100 are of class 2: the model finds 10 of them, and takes 20 others for one."""

    TRUTH = np.repeat([0, 1, 2], [450, 450, 100])
    PREDICTED = np.concatenate([np.full(430, 0), np.full(20, 2), np.full(450, 1), np.full(10, 2), np.full(90, 0)])
    FIGURES = score_labels(TRUTH, PREDICTED)

    def find(self, required: str, known: float = 1.0, step: int = 1) -> list[str]:
        figures = score_labels(self.TRUTH[::step], self.PREDICTED[::step])
        return find_alarms(figures, None, known, required)

    def test_are_those_of_scikit_learn(self) -> None:
        report = classification_report(self.TRUTH, self.PREDICTED, output_dict=True)
        for label, name in itertools.product("012", ("recall", "precision")):
            assert self.FIGURES[f"{name}[{label}]"][0] == pytest.approx(report[label][name])
        for label in "012":
            assert self.FIGURES[f"f1[{label}]"][0] == pytest.approx(report[label]["f1-score"])
        assert self.FIGURES["balanced_accuracy"][0] == pytest.approx(report["macro avg"]["recall"])
        assert self.FIGURES["baseline accuracy"][0] == pytest.approx(0.45)
        assert all(low <= value <= high for value, low, high in self.FIGURES.values())

    def test_ring_though_the_accuracy_is_high_enough(self) -> None:
        assert self.find("accuracy>0.85, recall[2]>=0.65") == ["recall[2]>=0.65 is required and it is 0.1"]
        assert self.find("precision[2]>0.5, f1[2]>0.5, balanced_accuracy>0.9, accuracy>baseline+0.5") == [
            "precision[2]>0.5 is required and it is 0.3333",
            "f1[2]>0.5 is required and it is 0.1538",
            "balanced_accuracy>0.9 is required and it is 0.6852",
            "accuracy>baseline+0.5 is required and it is 0.89, not 0.95",
        ]

    def test_leave_a_class_with_few_known_rows_to_later_labels(self) -> None:
        """Two rows of the class are known, and both are wrong."""
        assert self.find("recall[2]>=0.65", known=0.02, step=50) == []
        assert self.find("recall[2]>=0.65", known=1.0, step=50) != []

    def test_of_probabilities_are_not_known(self) -> None:
        assert self.find("log_loss<0.01, roc_auc[2]>0.999") == []

    def test_of_a_class_without_known_rows_are_not_known(self) -> None:
        figures = score_labels(np.zeros(5, int), np.zeros(5, int))
        assert find_alarms(figures, None, 1.0, "recall[2]>0.9, precision[2]>0.9, f1[2]>0.9") == []
