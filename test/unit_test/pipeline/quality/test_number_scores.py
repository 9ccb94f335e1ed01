from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sklearn_metrics
from sklearn.dummy import DummyRegressor
from typeguard import CollectionCheckStrategy, check_type

from gokart_pipeline_sample.pipeline.quality import number_scores
from gokart_pipeline_sample.pipeline.quality.metrics import NumberScores
from gokart_pipeline_sample.pipeline.quality.number_scores import (
    DECILES,
    SHOWN_POINTS,
    NumberQuality,
    compare_with_baseline,
    make_interval,
    measure_deciles,
    sample_points,
    score,
    score_baseline,
    score_labels,
)


def draw(rows: int, seed: int = 0, noise: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw a skewed truth and predictions of it."""
    generator = np.random.default_rng(seed)
    truth = generator.lognormal(1.0, 0.8, rows)
    return truth, truth + generator.normal(0.1, noise, rows)


def make_center(truth: np.ndarray) -> dict[str, float]:
    return {"median": float(np.median(truth)), "mean": float(truth.mean())}


class TestScore:
    @pytest.mark.parametrize("rows", [2, 7, 500])
    def test_is_that_of_scikit_learn(self, rows: int) -> None:
        truth, predicted = draw(rows)
        found = check_type(score(truth, predicted), NumberScores)
        assert found == pytest.approx(
            {
                "mae": sklearn_metrics.mean_absolute_error(truth, predicted),
                "rmse": sklearn_metrics.root_mean_squared_error(truth, predicted),
                "median_absolute_error": sklearn_metrics.median_absolute_error(truth, predicted),
                "r2": sklearn_metrics.r2_score(truth, predicted),
                "bias": predicted.mean() - truth.mean(),
            }
        )

    @pytest.mark.filterwarnings("error")
    def test_of_one_row_has_no_r2(self) -> None:
        expected = {"mae": 0.5, "rmse": 0.5, "median_absolute_error": 0.5, "r2": None, "bias": -0.5}
        assert score(np.array([2.0]), np.array([1.5])) == expected

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("predicted", [[3.0, 3.0, 3.0], [1.0, 2.0, 3.0]])
    def test_of_a_constant_truth_has_no_r2(self, predicted: list[float]) -> None:
        found = score(np.full(3, 3.0), np.array(predicted))
        assert found["r2"] is None
        assert found["mae"] == np.mean(3 - np.array(predicted))

    @given(st.lists(st.tuples(st.floats(-1e145, 1e145), st.floats(-1e145, 1e145)), min_size=1, max_size=10))
    def test_is_json_for_any_numbers(self, rows: list[tuple[float, float]]) -> None:
        truth, predicted = np.array(rows).T
        json.dumps(score(truth, predicted), allow_nan=False)


class TestScoreBaseline:
    def test_is_that_of_the_dummies_of_scikit_learn(self) -> None:
        (learned, _), (truth, _) = draw(300), draw(200, seed=1)
        found = score_baseline(truth, make_center(learned))
        predicted = {}
        for strategy in ("median", "mean"):
            dummy = DummyRegressor(strategy=strategy).fit(learned[:, None], learned)
            predicted[strategy] = score(truth, dummy.predict(truth[:, None]))
        assert found["mae"] == predicted["median"]["mae"] != predicted["mean"]["mae"]
        assert found["median_absolute_error"] == predicted["median"]["median_absolute_error"]
        for name in ("rmse", "r2", "bias"):
            assert found[name] == predicted["mean"][name] != predicted["median"][name]  # type: ignore[literal-required]

    def test_of_the_rows_themselves_has_r2_zero_and_no_bias(self) -> None:
        truth, _ = draw(300)
        found = score_baseline(truth, make_center(truth))
        assert (found["r2"], found["bias"]) == pytest.approx((0, 0))
        assert found["rmse"] == pytest.approx(truth.std())


class TestCompareWithBaseline:
    @pytest.mark.parametrize("noise", [0.5, 1.5, 4.0])
    def test_is_the_paired_t_test(self, noise: float) -> None:
        truth, predicted = draw(60, noise=noise)
        gained = np.abs(truth - 2.5) - np.abs(truth - predicted)
        statistic = gained.mean() / (gained.std(ddof=1) / math.sqrt(60))
        assert compare_with_baseline(truth, predicted, 2.5) == pytest.approx(stats.t.sf(statistic, 59))

    @pytest.mark.parametrize("shift", [0.0, 0.02])
    def test_is_small_by_chance_in_one_of_twenty(self, shift: float) -> None:
        """Both constants are as far from the middle of the truth, and so as good."""
        generator = np.random.default_rng(5)
        values = []
        for _ in range(1000):
            truth = generator.normal(size=100)
            values.append(compare_with_baseline(truth, np.full(100, 0.3 + shift), -0.3 - shift))
        assert np.mean(np.array(values) < 0.05) == pytest.approx(0.05, abs=0.02)

    @pytest.mark.filterwarnings("error")
    def test_is_one_of_the_median_itself(self) -> None:
        truth, _ = draw(50)
        assert compare_with_baseline(truth, np.full(50, np.median(truth)), float(np.median(truth))) == 1.0

    @pytest.mark.filterwarnings("error")
    def test_of_the_same_gain_in_each_row_is_sure(self) -> None:
        truth = np.repeat([1.0, -1.0], 10)
        assert compare_with_baseline(truth, truth / 2, 0.0) == 0.0
        assert compare_with_baseline(truth, truth * 3, 0.0) == 1.0

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("predicted", [1.0, 0.0, 9.0])
    def test_of_one_row_proves_nothing(self, predicted: float) -> None:
        assert compare_with_baseline(np.array([1.0]), np.array([predicted]), 0.0) > 0.05


class TestMakeInterval:
    @pytest.mark.parametrize("rows", [2, 5, 400])
    def test_is_that_of_student(self, rows: int) -> None:
        errors = np.abs(np.subtract(*draw(rows)))
        found = make_interval(errors)
        margin = stats.t.ppf(0.975, rows - 1) * errors.std(ddof=1) / math.sqrt(rows)
        expected = {"level": 0.95, "low": errors.mean() - margin, "high": errors.mean() + margin}
        assert found == pytest.approx(expected)

    def test_covers_the_mean(self) -> None:
        generator = np.random.default_rng(2)
        found = [make_interval(np.abs(generator.normal(size=200))) for _ in range(500)]
        expected = math.sqrt(2 / math.pi)
        assert np.mean([each["low"] <= expected <= each["high"] for each in found]) == pytest.approx(0.95, abs=0.03)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("values", [[2.5], [2.5, 2.5, 2.5]])
    def test_of_one_value_is_the_value(self, values: list[float]) -> None:
        assert make_interval(np.array(values)) == {"level": 0.95, "low": 2.5, "high": 2.5}


class TestScoreLabels:
    def test_gives_each_figure_with_its_interval(self) -> None:
        truth, predicted = draw(200)
        model = {"median": 2.5, "mean": 3.5, "unique_id": "x", "mae": 1.0}
        found = score_labels(truth, predicted, model)
        expected, baseline = score(truth, predicted), score_baseline(truth, {"median": 2.5, "mean": 3.5})
        assert found.keys() == {*expected, *(f"baseline {name}" for name in baseline)}
        for name, value in expected.items():
            assert found[name][0] == value
            assert found[f"baseline {name}"] == [baseline[name]] * 3  # type: ignore[literal-required]
        interval = make_interval(np.abs(truth - predicted))
        assert found["mae"] == [expected["mae"], interval["low"], interval["high"]]
        assert found["rmse"] == [expected["rmse"]] * 3
        assert found["mae"][1] < found["mae"][0] < found["mae"][2]

    @pytest.mark.filterwarnings("error")
    def test_leaves_out_what_is_undefined(self) -> None:
        found = score_labels(np.array([2.0]), np.array([1.5]), {"median": 1.0, "mean": 1.0})
        assert {"r2", "baseline r2"}.isdisjoint(found)
        assert found["mae"] == [0.5, 0.5, 0.5]
        json.dumps(found, allow_nan=False)


class TestMeasureDeciles:
    @pytest.mark.parametrize("rows", [10, 100, 1000])
    def test_are_the_tenths_of_the_sorted_rows(self, rows: int) -> None:
        truth, predicted = draw(rows)
        found = measure_deciles(truth, predicted)
        check_type(found, list[dict[str, float]], collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        assert all([*each] == ["prediction", "truth", "mae", "rows"] for each in found)
        tenths = np.split(np.argsort(predicted), DECILES)
        assert [each["rows"] for each in found] == [rows // DECILES] * DECILES
        for each, tenth in zip(found, tenths, strict=True):
            assert each["prediction"] == pytest.approx(predicted[tenth].mean())
            assert each["truth"] == pytest.approx(truth[tenth].mean())
            assert each["mae"] == pytest.approx(np.abs(predicted - truth)[tenth].mean())
        json.dumps(found, allow_nan=False)

    @pytest.mark.parametrize("share", [0.1, 0.35, 0.5, 0.95])
    @pytest.mark.parametrize("value", [0.0, 3.0, 100.0])
    def test_keep_equal_predictions_together(self, share: float, value: float) -> None:
        truth, predicted = draw(200)
        predicted[: int(200 * share)] = value
        found = measure_deciles(truth, predicted)
        assert sum(each["rows"] for each in found) == 200
        assert max(each["rows"] for each in found) >= 200 * share
        means = [each["prediction"] for each in found]
        assert means == sorted(set(means))

    def test_of_a_few_different_predictions_are_one_each(self) -> None:
        predicted = np.repeat([1.0, 2.0, 3.0], 40)
        truth = predicted + 0.5
        found = measure_deciles(truth, predicted)
        assert sum(each["rows"] for each in found) == 120
        assert found[-1]["prediction"] == 3.0
        assert {each["mae"] for each in found} == {0.5}

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("rows", [1, 50])
    def test_of_equal_predictions_are_none_that_tell_rows_apart(self, rows: int) -> None:
        assert measure_deciles(draw(rows)[0], np.full(rows, 2.0)) == []

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("factor", [1e-200, 1e-9, 1e9, 1e300])
    def test_do_not_depend_on_the_unit(self, factor: float) -> None:
        truth, predicted = draw(50)
        found = measure_deciles(truth * factor, predicted * factor)
        expected = measure_deciles(truth, predicted)
        assert [each["rows"] for each in found] == [each["rows"] for each in expected]
        assert [each["mae"] / factor for each in found] == pytest.approx([each["mae"] for each in expected])

    @given(st.lists(st.floats(-1e6, 1e6), min_size=2, max_size=40).filter(lambda values: len({*values}) > 1))
    def test_have_each_row_once(self, values: list[float]) -> None:
        predicted = np.round(np.array(values), 3)
        found = measure_deciles(np.zeros(len(values)), predicted)
        assert sum(each["rows"] for each in found) == (len(values) if len({*predicted}) > 1 else 0)


class TestSamplePoints:
    @pytest.mark.parametrize("rows", [1, SHOWN_POINTS, 2000])
    def test_are_some_rows_in_their_order_and_the_same_each_time(self, rows: int) -> None:
        truth, predicted = draw(rows)
        found = sample_points(truth, predicted)
        assert found == sample_points(truth, predicted)
        assert len(found) == min(rows, SHOWN_POINTS)
        pairs = [[*pair] for pair in zip(truth.tolist(), predicted.tolist(), strict=True)]
        places = [pairs.index(pair) for pair in found]
        assert places == sorted({*places})
        assert rows <= SHOWN_POINTS or max(places) > rows * 0.9


class TestNumberQuality:
    QUALITY = NumberQuality()

    def test_is_known_by_the_mean_absolute_error(self) -> None:
        assert self.QUALITY.figure == "mae"
        assert self.QUALITY.score_labels is number_scores.score_labels

    def test_rates_features_by_r2(self) -> None:
        truth, predicted = draw(50)
        assert self.QUALITY.rate(predicted, truth, None) == pytest.approx(sklearn_metrics.r2_score(truth, predicted))
        assert self.QUALITY.rate(predicted, np.ones(50), None) == 0.0

    def test_tells_of_a_model_that_is_not_better_than_the_median(self) -> None:
        document = {"model": {"mae": 1.25}, "baseline": {"mae": 1.3}, "baseline_p_value": 0.2}
        (found,) = self.QUALITY.find_baseline_failures(document)
        assert found == (
            "the mae 1.25 is not better than that of the median of the training rows, 1.3, with 95% confidence "
            "(p = 0.2; add features or rows, or set require_better=false and require another figure, such as r2)"
        )
        assert self.QUALITY.find_baseline_failures({**document, "baseline_p_value": 0.049}) == []
