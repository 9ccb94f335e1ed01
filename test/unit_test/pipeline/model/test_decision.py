from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.stats import binomtest
from sklearn.metrics import f1_score, precision_score, recall_score

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.pipeline.model.decision import (
    ARGMAX,
    DecisionParameter,
    choose_threshold,
    decide,
    parse_decision,
)

MEASURES = {"recall": recall_score, "precision": precision_score, "f1": f1_score}


def draw(rows: int, seed: int = 0, digits: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Draw a class of three, and probabilities that tell a little of it, of which some are equal."""
    generator = np.random.default_rng(seed)
    truth = generator.choice(3, rows, p=[0.6, 0.3, 0.1])
    odds = generator.normal(size=(rows, 3)) + 1.2 * np.eye(3)[truth]
    probabilities = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    return truth, probabilities.round(digits)


def bound(figure: str, truth: np.ndarray, probabilities: np.ndarray, label: int, threshold: float) -> float:
    """Return the one-sided lower bound of the figure, which is that of a two-sided interval of 0.9."""
    is_class, is_found = truth == label, probabilities[:, label] >= threshold
    whole = is_class if figure == "recall" else is_found
    found = binomtest(int((is_class & is_found).sum()), int(whole.sum()))
    return float(found.proportion_ci(0.9, method="exact").low)


def measure(figure: str, truth: np.ndarray, probabilities: np.ndarray, label: int, threshold: float) -> float:
    return float(MEASURES[figure](truth == label, probabilities[:, label] >= threshold, zero_division=0))


class TestParseDecision:
    @pytest.mark.parametrize(
        ("text", "parsed"),
        [
            ("2>=0.2", (2, "", 0.2)),
            (" 0 >= .5 ", (0, "", 0.5)),
            ("1>=1", (1, "", 1.0)),
            ("1:recall>=0.9", (1, "recall", 0.9)),
            ("1 : precision >= 0.80", (1, "precision", 0.8)),
            ("2:f1", (2, "f1", 1.0)),
            ("2 : f1", (2, "f1", 1.0)),
        ],
    )
    def test_gives_class_figure_and_value(self, text: str, parsed: tuple[int, str, float]) -> None:
        assert parse_decision(text) == parsed
        assert DecisionParameter().normalize(text) == text

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("", "cannot be read: give argmax, CLASS>=0.2, CLASS:recall>=0.9, CLASS:precision>=0.8 or CLASS:f1"),
            ("1", "cannot be read"),
            ("1>=", "cannot be read"),
            ("1>0.5", "cannot be read"),
            ("1<=0.5", "cannot be read"),
            ("1:recall", "cannot be read"),
            ("1:recall>=", "cannot be read"),
            ("1:f1 0.5", "cannot be read"),
            ("1>=nan", "cannot be read"),
            ("1>=-0.5", "cannot be read"),
            ("1>=1e-3", "cannot be read"),
            (">=0.5", "cannot be read"),
            ("1>=.", "cannot be read|needs a number"),
            ("1>=0.2.1", "cannot be read|needs a number"),
            ("1>=0", "needs a number above 0, and at most 1"),
            ("1>=1.01", "needs a number above 0, and at most 1"),
            ("1:precision>=90", "needs a number above 0, and at most 1"),
            ("fraud>=0.5", "needs one of the classes 0, 1, 2"),
            ("3:f1", "needs one of the classes 0, 1, 2"),
            ("1:auc>=0.5", "needs one of the classes 0, 1, 2"),
            ("1:f1>=0.5", "needs one of the classes 0, 1, 2"),
            ("argmax>=0.5", "needs one of the classes 0, 1, 2"),
        ],
    )
    def test_refuses_what_cannot_be_meant(self, text: str, message: str) -> None:
        with pytest.raises(SettingError, match=message):
            parse_decision(text)
        with pytest.raises(SettingError, match=message):
            DecisionParameter().normalize(text)

    def test_is_not_needed_for_the_most_probable_class(self) -> None:
        assert DecisionParameter().normalize(ARGMAX) == ARGMAX


class TestChooseThreshold:
    def test_takes_a_threshold_that_is_given(self) -> None:
        decision = choose_threshold("2>=0.2", *draw(20))
        assert decision == {"text": "2>=0.2", "class": 2, "threshold": 0.2}

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("label", [0, 1, 2])
    @pytest.mark.parametrize(
        ("figure", "least"),
        [("recall", 0.05), ("recall", 0.75), ("recall", 0.99), ("precision", 0.2), ("precision", 0.6)],
    )
    def test_takes_the_threshold_that_brute_force_finds(self, figure: str, least: float, label: int, seed: int) -> None:
        truth, probabilities = draw(150, seed, digits=2)
        thresholds = np.unique(probabilities[:, label])
        reached = [each for each in thresholds if bound(figure, truth, probabilities, label, each) >= least]
        text = f"{label}:{figure}>={least}"
        if not reached:
            assert least == 0.99 or (figure, label) == ("precision", 2)
            with pytest.raises(ValueError, match="cannot be met"):
                choose_threshold(text, truth, probabilities)
            return
        decision = choose_threshold(text, truth, probabilities)
        assert (decision["text"], decision["class"]) == (text, label)
        assert decision["threshold"] == (max(reached) if figure == "recall" else min(reached))
        for name in ("recall", "precision"):
            expected = measure(name, truth, probabilities, label, decision["threshold"])
            assert decision[name] == pytest.approx(expected)

    @pytest.mark.parametrize("seed", range(3))
    @pytest.mark.parametrize("label", [0, 1, 2])
    def test_takes_the_highest_f1(self, label: int, seed: int) -> None:
        truth, probabilities = draw(150, seed, digits=2)
        decision = choose_threshold(f"{label}:f1", truth, probabilities)
        highest = max(measure("f1", truth, probabilities, label, each) for each in probabilities[:, label])
        assert highest > 0
        assert measure("f1", truth, probabilities, label, decision["threshold"]) == pytest.approx(highest)
        assert 2 * decision["precision"] * decision["recall"] / (decision["precision"] + decision["recall"]) == (
            pytest.approx(highest)
        )

    def test_names_the_best_that_the_rows_promise(self) -> None:
        """All of 3 right rows prove no more than the cube root of 0.05, and all of 29 a little more than 0.9."""
        truth, probabilities = np.array([1, 1, 1, 0]), np.array([[0.1, 0.9], [0.2, 0.8], [0.3, 0.7], [0.4, 0.6]])
        probabilities = np.column_stack([probabilities, np.zeros(4)])
        for figure in ("precision", "recall"):
            problem = (
                rf"cannot be met: the validation rows promise a {figure} of 0.3684, at most, with 95% confidence; low"
            )
            with pytest.raises(ValueError, match=problem):
                choose_threshold(f"1:{figure}>=0.37", truth, probabilities)
            assert choose_threshold(f"1:{figure}>=0.36", truth, probabilities)["threshold"] == 0.7
        truth, probabilities = np.repeat(truth[:1], 29), np.repeat(probabilities[:1], 29, axis=0)
        assert choose_threshold("1:recall>=0.9", truth, probabilities)["threshold"] == 0.9
        with pytest.raises(ValueError, match="cannot be met"):
            choose_threshold("1:recall>=0.9", truth[1:], probabilities[1:])

    def test_holds_on_new_rows_in_at_least_95_of_100_draws(self) -> None:
        """With the point estimate it would hold in about half of them."""
        kept = 0
        for seed in range(150):
            decision = choose_threshold("1:recall>=0.8", *draw(300, seed))
            truth, probabilities = draw(10_000, seed + 1000)
            kept += measure("recall", truth, probabilities, 1, decision["threshold"]) >= 0.8
        assert kept / 150 == pytest.approx(0.96, abs=0.04)

    @pytest.mark.parametrize("figure", ["recall>=0.5", "precision>=0.5", "f1"])
    @pytest.mark.filterwarnings("error")
    def test_needs_rows_of_the_class(self, figure: str) -> None:
        truth, probabilities = draw(20)
        problem = f"the decision '2:{figure}' needs validation rows of the class 2: there is none"
        with pytest.raises(ValueError, match=problem):
            choose_threshold(f"2:{figure}", np.where(truth == 2, 0, truth), probabilities)

    @pytest.mark.parametrize("figure", ["recall>=0.5", "precision>=0.1", "f1"])
    def test_has_a_value_if_all_rows_are_of_the_class(self, figure: str) -> None:
        decision = choose_threshold(f"1:{figure}", np.ones(5, int), np.full((5, 3), 1 / 3))
        assert (decision["threshold"], decision["precision"], decision["recall"]) == (1 / 3, 1.0, 1.0)

    def test_f1_of_probabilities_that_are_the_wrong_way_round_is_that_of_all_rows(self) -> None:
        probabilities = np.array([[0.1, 0.8, 0.1], [0.1, 0.8, 0.1], [0.7, 0.2, 0.1]])
        assert choose_threshold("1:f1", np.array([0, 0, 1]), probabilities)["threshold"] == 0.2


class TestDecide:
    @pytest.mark.parametrize("nothing", [{}, None])
    def test_takes_the_most_probable_class_without_a_decision(self, nothing: Any) -> None:
        probabilities = draw(200)[1]
        assert (decide(probabilities, nothing) == probabilities.argmax(axis=1)).all()

    @pytest.mark.parametrize("threshold", [0.01, 0.2, 0.5, 0.9, 1.0])
    @pytest.mark.parametrize("label", [0, 1, 2])
    def test_takes_the_class_from_its_threshold_on_and_else_the_most_probable_other_one(
        self, label: int, threshold: float
    ) -> None:
        probabilities = draw(200, digits=2)[1]
        before = probabilities.copy()
        decided = decide(probabilities, {"text": "", "class": label, "threshold": threshold})
        others = [each for each in range(3) if each != label]
        for row, found in zip(probabilities, decided, strict=True):
            expected = label if row[label] >= threshold else max(others, key=lambda each: row[each])
            assert row[found] == row[expected]
            assert (found == label) == (row[label] >= threshold)
        assert (probabilities == before).all()

    def test_meets_the_recall_that_chose_the_threshold(self) -> None:
        truth, probabilities = draw(600)
        decision = choose_threshold("2:recall>=0.9", truth, probabilities)
        found = decide(probabilities, decision)
        assert recall_score(truth == 2, found == 2) == pytest.approx(decision["recall"])
        assert decision["recall"] >= 0.9
        assert recall_score(truth == 2, probabilities.argmax(axis=1) == 2) < 0.9

    @pytest.mark.parametrize("decision", [{}, {"class": 1, "threshold": 0.5}])
    def test_decides_on_no_rows(self, decision: dict[str, Any]) -> None:
        assert decide(np.empty((0, 3)), decision).shape == (0,)

    def test_never_takes_the_class_below_its_threshold_whatever_the_others(self) -> None:
        assert decide(np.array([[0.0, 0.9, 0.0], [1.0, 0.0, 0.0]]), {"class": 1, "threshold": 0.95}).tolist() == [0, 0]
