from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson_binom
from sklearn.linear_model import LogisticRegression
from support.estimates import NO_FEATURES, PLAIN_MODEL, fit_accuracy, make_prediction
from typeguard import check_type

from gokart_pipeline_sample.pipeline.drift.estimate import AccuracyEstimator
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference, RowCounts, measure_shift
from gokart_pipeline_sample.pipeline.drift.shift import FEW_ROWS, Floats, fit_calibration


def draw(rows: int, honesty: float, generator: np.random.Generator) -> tuple[Floats, np.ndarray]:
    """Draw probabilities of predicted classes, of three, and whether the predictions are right.

    The log-odds that a prediction is right are ``honesty`` times those of its probability.
    """
    confidence = 1 / 3 + 2 / 3 * generator.beta(4, 1.2, rows)
    odds = (confidence / (1 - confidence)) ** honesty
    return confidence, generator.random(rows) < odds / (1 + odds)


def calibrate(confidence: Floats, calibration: dict[str, Any]) -> Floats:
    """Return the share of right predictions that each probability stands for."""
    expected, _ = AccuracyEstimator.expect(
        PLAIN_MODEL, NO_FEATURES, make_prediction(confidence), {"calibration": calibration}
    )
    return expected


def measure_brier(probabilities: Floats, right: np.ndarray) -> float:
    return float(((probabilities - right) ** 2).mean())


def estimate_sums(rows: int, expected: float, variance: float, test_variance: float) -> dict[str, float]:
    """Estimate the accuracy of new rows, given the sums of their probabilities and of their variances."""
    counts = RowCounts(rows=rows, expected=expected, variance=variance, columns={})
    reference = Reference(rows=1, figures={}, estimator={"variance": test_variance}, columns={})
    shift = measure_shift([counts], reference)
    assert shift is not None
    return shift["estimated_accuracy"]


def estimate(probabilities: Floats, test_variance: float) -> dict[str, float]:
    variance = float((probabilities * (1 - probabilities)).sum())
    return estimate_sums(len(probabilities), float(probabilities.sum()), variance, test_variance)


def estimate_fitted(confidence: Floats, fitted: dict[str, Any]) -> dict[str, float]:
    """Estimate the accuracy of new rows, given the probability of each prediction and what the test rows fit."""
    expected, variances = AccuracyEstimator.expect(PLAIN_MODEL, NO_FEATURES, make_prediction(confidence), fitted)
    return estimate_sums(len(confidence), float(expected.sum()), float(variances.sum()), fitted["variance"])


class TestFitCalibration:
    @pytest.mark.parametrize("rows", [300, 2000])
    @pytest.mark.parametrize("honesty", [0.4, 0.6, 2.0])
    def test_makes_the_probabilities_of_other_rows_better(self, rows: int, honesty: float) -> None:
        generator = np.random.default_rng(rows)
        before, after = [], []
        for _ in range(2):
            calibration = fit_calibration(*draw(rows, honesty, generator))
            assert calibration["method"] == "platt"
            confidence, right = draw(20_000, honesty, generator)
            before.append(measure_brier(confidence, right))
            after.append(measure_brier(calibrate(confidence, calibration), right))
        assert max(after) < min(before)

    def test_hardly_harms_probabilities_that_are_right(self) -> None:
        generator = np.random.default_rng(2)
        confidence, right = draw(20_000, 1.0, generator)
        for _ in range(4):
            calibrated = calibrate(confidence, fit_calibration(*draw(1000, 1.0, generator)))
            assert measure_brier(calibrated, right) < measure_brier(confidence, right) + 0.003

    def test_is_that_of_scikit_learn(self) -> None:
        generator = np.random.default_rng(3)
        fresh = draw(1000, 1.0, generator)[0]
        confidence, right = draw(4000, 0.4, generator)
        logistic = LogisticRegression(C=np.inf).fit(np.log(confidence / (1 - confidence))[:, None], right)
        expected = logistic.predict_proba(np.log(fresh / (1 - fresh))[:, None])[:, 1]
        # It is kept as a line through a hundred points.
        assert np.abs(calibrate(fresh, fit_calibration(confidence, right)) - expected).mean() < 0.003

    @pytest.mark.parametrize("wrong", [0, 1, FEW_ROWS - 1])
    @pytest.mark.parametrize("mean", [0.75, 0.97, 0.999])
    def test_learns_of_few_wrong_rows_only_how_many_they_are(self, wrong: int, mean: float) -> None:
        confidence = 1 - (1 - mean) * 2 * np.random.default_rng(4).random(200)
        calibration = fit_calibration(confidence, np.arange(200) >= wrong)
        assert calibration["method"] == "offset"
        calibrated = calibrate(confidence, calibration)
        assert calibrated.mean() == pytest.approx((200 - wrong + 0.5) / 201, abs=0.001)
        # All odds are the same multiple of what they were.
        multiples = calibrated / (1 - calibrated) / (confidence / (1 - confidence))
        assert multiples == pytest.approx(np.median(multiples), rel=0.05)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize(
        ("confidence", "right"),
        [
            (np.linspace(0.4, 1, 100), np.linspace(0, 1, 100) > 0.5),
            (np.linspace(0.4, 1, 100), np.linspace(0, 1, 100) < 0.5),
            (np.full(100, 0.9), np.arange(100) < 80),
            (np.ones(100), np.arange(100) < 80),
            (np.zeros(100), np.arange(100) < 80),
            (np.repeat([0.5, 1 - 1e-16], 50), np.arange(100) % 3 == 0),
            (np.array([0.7]), np.array([True])),
            (np.array([0.7]), np.array([False])),
        ],
    )
    def test_is_a_line_whatever_the_rows(self, confidence: Floats, right: np.ndarray) -> None:
        calibration = json.loads(json.dumps(fit_calibration(confidence, right), allow_nan=False))
        check_type((calibration.pop("method"), *calibration.values()), tuple[str, list[float], list[float]])
        assert (np.diff(calibration["probabilities"]) > 0).all()
        calibrated = np.interp(np.linspace(0, 1, 50), calibration["probabilities"], calibration["accuracies"])
        assert ((calibrated >= 0) & (calibrated <= 1)).all()

    def test_is_the_same_each_time(self) -> None:
        rows = draw(100, 0.5, np.random.default_rng(5))
        assert fit_calibration(*rows) == fit_calibration(*rows)


class TestEstimateAccuracy:
    @pytest.mark.parametrize("rows", [5, 20, 60])
    def test_is_the_interval_of_a_poisson_binomial(self, rows: int) -> None:
        probabilities = draw(rows, 1.0, np.random.default_rng(rows))[0]
        estimated = estimate(probabilities, 0.0)
        exact = poisson_binom(probabilities)
        assert estimated["accuracy"] == pytest.approx(exact.mean() / rows)
        assert (estimated["low"], estimated["high"]) == pytest.approx(exact.ppf([0.025, 0.975]) / rows, abs=1 / rows)

    def test_is_the_interval_of_draws(self) -> None:
        generator = np.random.default_rng(1)
        probabilities = draw(300, 1.0, generator)[0]
        accuracies = (generator.random((20_000, 300)) < probabilities).mean(axis=1)
        estimated = estimate(probabilities, 0.0)
        assert [estimated["low"], estimated["high"]] == pytest.approx(
            np.quantile(accuracies, [0.025, 0.975]).tolist(), abs=0.005
        )

    def test_adds_the_uncertainty_of_the_test_rows(self) -> None:
        # Agresti and Coull (1998): 9 of 10 with 2 more of each kind are 11 of 14.
        margin = 1.959964 * math.sqrt(11 / 14 * 3 / 14 / 14)
        figures, fitted = fit_accuracy(np.full(10, 0.9), np.arange(10) < 9)
        assert figures == {"accuracy": 0.9}
        estimated = estimate_sums(10**9, 0.7 * 10**9, 0.2 * 10**9, fitted["variance"])
        assert estimated["high"] - estimated["accuracy"] == pytest.approx(margin, rel=1e-4)
        assert estimated["accuracy"] - estimated["low"] == pytest.approx(margin, rel=1e-4)

    @pytest.mark.parametrize(
        ("test_rows", "honesty"), [(100, 1.0), (300, 0.6), (1000, 1.0), (1000, 0.4), (60, 8.0), (200, 8.0)]
    )
    def test_covers_the_accuracy_of_new_rows(self, test_rows: int, honesty: float) -> None:
        generator = np.random.default_rng(test_rows)
        covered = []
        for _ in range(3):
            fitted = fit_accuracy(*draw(test_rows, honesty, generator))[1]
            for rows in [*[100] * 40, *[2000] * 40]:
                confidence, truth = draw(rows, honesty, generator)
                estimated = estimate_fitted(confidence, fitted)
                covered.append(estimated["low"] <= truth.mean() <= estimated["high"])
        # Not just 0.95: there are few draws of test rows.
        assert np.mean(covered) >= 0.9

    def test_follows_rows_that_are_harder(self) -> None:
        generator = np.random.default_rng(7)
        confidence, right = draw(2000, 0.6, generator)
        fitted = fit_accuracy(confidence, right)[1]
        harder, truth = draw(50_000, 0.6, generator)
        harder, truth = harder[harder < 0.8], truth[harder < 0.8]
        estimated = estimate_fitted(harder, fitted)
        assert estimated["high"] < right.mean()
        assert estimated["accuracy"] == pytest.approx(truth.mean(), abs=0.03)

    @given(probabilities=st.lists(st.floats(0, 1), min_size=1, max_size=20), test_variance=st.floats(0, 0.25))
    def test_is_between_zero_and_one(self, probabilities: list[float], test_variance: float) -> None:
        estimated = estimate(np.array(probabilities), test_variance)
        assert 0 <= estimated["low"] <= estimated["accuracy"] <= estimated["high"] <= 1
        json.dumps(estimated, allow_nan=False)
