from __future__ import annotations

import json
import math
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from support.estimates import PLAIN_MODEL, fit_accuracy, make_prediction

from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor, keep, predict_raw
from gokart_pipeline_sample.pipeline.drift.estimate import (
    ESTIMATOR,
    AccuracyEstimator,
    ErrorEstimator,
    get_confidence,
    predict_errors,
)
from gokart_pipeline_sample.pipeline.drift.shift import bound_mean
from gokart_pipeline_sample.pipeline.model.decision import ARGMAX, decide
from gokart_pipeline_sample.pipeline.model.target import DETERMINISTIC, NumberTarget

TRAIN_ROWS = 4000


def draw(rows: int, seed: int, low: float = 0.1, high: float = 3.0) -> tuple[pd.DataFrame, pd.Series]:
    """Draw features and a number; the noise of a row is as great as its ``width``, from low to high, by a power law."""
    generator = np.random.default_rng(seed)
    width = low + (high - low) * generator.beta(1.0, 3.0, rows)
    features = pd.DataFrame({"middle": generator.normal(size=rows), "width": width, "idle": generator.random(rows)})
    return features, pd.Series(2 * np.sin(features["middle"]) + width * generator.normal(size=rows))


def draw_harder(rows: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    """Draw rows whose noise is greater than that of most rows, and never greater than that of any."""
    return draw(rows, seed, low=1.2)


def predict(model: Booster, features: pd.DataFrame) -> pd.DataFrame:
    predicted, _ = NumberTarget.label(predict_raw(model, features), model)
    return pd.DataFrame({"id": range(len(features)), "pred": predicted})


@pytest.fixture(scope="module")
def number_model() -> Booster:
    """A model with what it keeps of 3,000 validation rows."""
    settings: dict[str, Any] = {**DETERMINISTIC, "objective": "regression", "num_threads": 1, "num_leaves": 8}
    features, target = draw(TRAIN_ROWS, seed=0)
    model = lgb.train(settings, lgb.Dataset(features, target), 60)
    validation, truth = draw(3000, seed=1)
    NumberTarget.calibrate(model, validation, truth.to_numpy(), ARGMAX, 0.0)
    return model


def fit(model: Booster, rows: int = 2000, seed: int = 2) -> tuple[dict[str, float], dict[str, Any]]:
    features, truth = draw(rows, seed)
    return ErrorEstimator.fit(model, features, predict(model, features), truth, draw(TRAIN_ROWS, seed=0)[1])


def estimate(model: Booster, features: pd.DataFrame, fitted: dict[str, Any]) -> list[float]:
    """Return the estimated error of new rows and its interval."""
    expected, variances = ErrorEstimator.expect(model, features, predict(model, features), fitted)
    return bound_mean(float(expected.sum()), float(variances.sum()), len(features), fitted["variance"])


def measure(model: Booster, features: pd.DataFrame, truth: pd.Series) -> float:
    return float(np.abs(predict_raw(model, features) - truth).mean())


class TestErrorEstimator:
    def test_describes_the_model_by_its_errors_and_those_of_the_median(self, number_model: Booster) -> None:
        figures, fitted = fit(number_model)
        features, truth = draw(2000, seed=2)
        learned = draw(TRAIN_ROWS, seed=0)[1]
        assert figures == pytest.approx(
            {
                "mae": measure(number_model, features, truth),
                "median": np.median(learned),
                "mean": learned.mean(),
                "baseline mae": np.abs(truth - np.median(learned)).mean(),
            }
        )
        assert figures["mae"] < figures["baseline mae"]
        json.dumps([figures, fitted], allow_nan=False)

    def test_estimates_the_error_of_the_test_rows_as_it_is(self, number_model: Booster) -> None:
        figures, fitted = fit(number_model)
        features, _ = draw(2000, seed=2)
        mean, low, high = estimate(number_model, features, fitted)
        assert mean == pytest.approx(figures["mae"])
        assert low < mean < high
        assert fitted["scale"] == pytest.approx(1, abs=0.1)

    def test_has_the_variance_of_the_errors_of_the_test_rows(self, number_model: Booster) -> None:
        """It is the variance of the mean of what a model of the error leaves over."""
        _, fitted = fit(number_model)
        features, truth = draw(2000, seed=2)
        rest = np.abs(predict_raw(number_model, features) - truth) - predict_errors(number_model, features)
        assert fitted["variance"] == pytest.approx(np.var(rest) / 2000, rel=0.05)
        _, variances = ErrorEstimator.expect(number_model, features, predict(number_model, features), fitted)
        assert variances.mean() == pytest.approx(fitted["variance"] * 2000)

    @pytest.mark.parametrize("seed", range(3))
    def test_follows_rows_that_are_harder(self, number_model: Booster, seed: int) -> None:
        figures, fitted = fit(number_model, seed=10 + seed)
        features, truth = draw_harder(20_000, seed=20 + seed)
        actual = measure(number_model, features, truth)
        assert actual > 1.4 * figures["mae"]
        mean, low, _ = estimate(number_model, features, fitted)
        assert mean == pytest.approx(actual, rel=0.1)
        assert low > figures["mae"]

    @pytest.mark.parametrize("rows", [50, 500])
    def test_covers_the_error_of_new_rows(self, number_model: Booster, rows: int) -> None:
        covered, shifted = [], []
        for seed in range(30):
            _, fitted = fit(number_model, seed=100 + seed)
            for hits, draw_rows in ((covered, draw), (shifted, draw_harder)):
                for number in range(5):
                    features, truth = draw_rows(rows, seed=1000 + 10 * seed + number)
                    _, low, high = estimate(number_model, features, fitted)
                    hits.append(low <= measure(number_model, features, truth) <= high)
        # One model of the error for all: what it errs by is no part of the interval.
        assert np.mean(covered) >= 0.9
        assert np.mean(shifted) >= 0.85

    def test_adds_the_uncertainty_of_the_test_rows(self, number_model: Booster) -> None:
        few, many = (fit(number_model, rows)[1] for rows in (50, 5000))
        assert few["variance"] / many["variance"] == pytest.approx(100, rel=0.6)
        features, _ = draw(20_000, seed=3)
        widths = [np.ptp(estimate(number_model, features, fitted)[1:]) for fitted in (few, many)]
        assert widths[0] > 3 * widths[1]

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("rows", [1, 2])
    def test_is_json_for_few_test_rows(self, number_model: Booster, rows: int) -> None:
        figures, fitted = fit(number_model, rows)
        json.dumps([figures, fitted], allow_nan=False)
        assert math.isfinite(sum(estimate(number_model, draw(1, seed=4)[0], fitted)))

    @pytest.mark.filterwarnings("error")
    def test_expects_no_error_of_a_model_without_one(self, number_model: Booster) -> None:
        features, _ = draw(100, seed=5)
        exact = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(number_model))
        truth = predict_raw(exact, features)
        NumberTarget.calibrate(exact, features, truth, ARGMAX, 0.0)
        known = pd.Series(truth)
        figures, fitted = ErrorEstimator.fit(exact, features, predict(exact, features), known, known)
        assert figures["mae"] == 0
        assert estimate(exact, features, fitted) == [0, 0, 0]

    def test_expects_nothing_of_no_rows(self, number_model: Booster) -> None:
        features, _ = draw(0, seed=6)
        prediction, (_, fitted) = predict(number_model, features), fit(number_model)
        expected, variances = ErrorEstimator.expect(number_model, features, prediction, fitted)
        assert (float(expected.sum()), float(variances.sum())) == (0.0, 0.0)

    def test_sums_to_the_same_for_chunks(self, number_model: Booster) -> None:
        _, fitted = fit(number_model)
        features, _ = draw(300, seed=7)
        whole = ErrorEstimator.expect(number_model, features, predict(number_model, features), fitted)
        for low, high in ((0, 1), (1, 120), (120, 300)):
            part = features[low:high]
            found = ErrorEstimator.expect(number_model, part, predict(number_model, part), fitted)
            for each, of_whole in zip(found, whole, strict=True):
                assert each.tolist() == of_whole[low:high].tolist()

    def test_is_not_that_of_a_target_with_classes(self) -> None:
        assert isinstance(ESTIMATOR, AccuracyEstimator)
        assert (ErrorEstimator.figure, ErrorEstimator.most) == ("mae", math.inf)


class TestPredictErrors:
    def test_are_never_negative(self, number_model: Booster) -> None:
        """Trees that are boosted by squared errors may fall below zero."""
        generator = np.random.default_rng(8)
        features = pd.DataFrame({"x": generator.random(2000)})
        errors = np.where(generator.random(2000) < 0.02, 50.0, 0.0) * (features["x"] > 0.9)
        settings: dict[str, Any] = {**DETERMINISTIC, "num_threads": 1, "learning_rate": 0.9}
        model = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(number_model))
        error_model = lgb.train(settings, lgb.Dataset(features, errors), 50)
        keep(model, "error_model", error_model.model_to_string())
        assert np.asarray(error_model.predict(features)).min() < 0
        assert predict_errors(model, features).min() == 0

    def test_are_those_of_each_model(self, number_model: Booster) -> None:
        features, truth = draw(500, seed=9)
        other = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(number_model))
        NumberTarget.calibrate(other, features, truth.to_numpy() * 10, ARGMAX, 0.0)
        expected = [predict_errors(model, features) for model in (number_model, other)]
        assert expected[1].mean() > 3 * expected[0].mean()
        assert predict_errors(number_model, features).tolist() == expected[0].tolist()


class TestAccuracyEstimator:
    def test_fits_what_it_then_expects(self) -> None:
        generator = np.random.default_rng(0)
        confidence = generator.uniform(0.4, 1.0, 3000)
        figures, fitted = fit_accuracy(confidence, generator.random(3000) < confidence)
        expected, variances = AccuracyEstimator.expect(PLAIN_MODEL, pd.DataFrame(), make_prediction(confidence), fitted)
        assert expected.mean() == pytest.approx(figures["accuracy"], abs=1e-3)
        assert np.abs(expected - confidence).max() < 0.06
        assert variances.tolist() == (expected * (1 - expected)).tolist()


class TestGetConfidence:
    PROBABILITIES = np.random.default_rng(1).dirichlet([1, 1, 1], 50)

    @pytest.mark.parametrize(
        "decision", [{}, *({"class": label, "threshold": least} for label in range(3) for least in (0.1, 0.6, 1.0))]
    )
    def test_is_the_probability_of_the_class_that_is_decided(self, decision: dict[str, Any]) -> None:
        model: Any = type("Model", (), {})()
        keep(model, "decision", decision)
        frame = pd.DataFrame(self.PROBABILITIES, columns=["probability_0", "probability_1", "probability_2"])
        decided = decide(self.PROBABILITIES, decision)
        assert get_confidence(model, frame).tolist() == self.PROBABILITIES[np.arange(50), decided].tolist()

    def test_is_that_of_no_rows(self) -> None:
        assert get_confidence(PLAIN_MODEL, make_prediction([])).shape == (0,)
