from __future__ import annotations

import math
import re
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from gokart_pipeline_sample.errors import ChampionError, SettingError
from gokart_pipeline_sample.pipeline.champion.comparison import (
    CLASS_SCORES,
    SCORES,
    Comparison,
    FigureParameter,
    Values,
    compare_models,
    list_values,
)
from gokart_pipeline_sample.pipeline.quality.scores import score, score_classes
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema

FIGURES = [*SCORES, *(f"{name}[{label}]" for name in CLASS_SCORES for label in range(3))]


def make_pair(both: int, gained: int, lost: int, none: int) -> tuple[Values, Values]:
    """Make up rows that both models, the new one alone, the old one alone or none predicts rightly."""
    numbers = [both, gained, lost, none]
    return np.repeat([1.0, 1.0, 0.0, 0.0], numbers), np.repeat([1.0, 0.0, 1.0, 0.0], numbers)


def draw(measure: Callable[..., Values], *samples: Values) -> tuple[float, float]:
    """Return the interval of the paired bootstrap of scipy."""
    settings = {"paired": True, "vectorized": True, "method": "percentile", "n_resamples": 9999, "rng": 1}
    drawn = bootstrap(samples, measure, **settings).confidence_interval
    return drawn.low, drawn.high


def make_rows(rows: int, skill: float, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make test rows of three uneven classes, always the same, and predictions of them."""
    target = np.random.default_rng(7).choice(3, rows, p=[0.75, 0.2, 0.05])
    generator = np.random.default_rng(seed)
    odds = generator.normal(size=(rows, 3)) + [1.5, 0.5, 0] + skill * np.eye(3)[target]
    probabilities = np.exp(odds) / np.exp(odds).sum(axis=1, keepdims=True)
    predicted = {"id": range(rows), "pred": probabilities.argmax(axis=1)}
    columns = dict(zip(PredictionSchema.probability_columns(), probabilities.T, strict=True))
    return pd.DataFrame({"id": range(rows), "target": target}), pd.DataFrame({**predicted, **columns})


class TestCompareModels:
    def test_is_that_of_agresti(self) -> None:
        # Categorical Data Analysis (2002), section 10.1: 1600 people are asked twice if they approve of the prime
        # minister; 794 do both times, 86 and 150 once. The interval of the difference is 0.040 +- 0.0186, and McNemar's
        # statistic is 17.36, so that p is 0.00003.
        compared = compare_models(*make_pair(both=794, gained=86, lost=150, none=570))
        assert compared.difference == -0.04
        assert (compared.low, compared.high) == pytest.approx((-0.0586, -0.0214), abs=0.001)
        assert compared.p_value == pytest.approx(math.erfc(math.sqrt(17.36 / 2)), rel=0.25)
        assert round(compared.p_value, 5) == 0.00004

    @pytest.mark.parametrize(
        ("pair", "expected"),
        [
            (make_pair(100, 12, 5, 133), (0.028, -0.004, 0.06, 0.143463134765625)),
            (make_pair(100, 0, 6, 144), (-0.024, -0.044, -0.008, 0.03125)),
            (make_pair(0, 4, 6, 0), (-0.2, -0.8, 0.4, 0.75390625)),
            (make_pair(900_000, 4000, 3000, 93_000), (0.001, 0.000837, 0.001168025, 5.7143006822603136e-33)),
        ],
    )
    def test_stays_what_it_was(self, pair: tuple[Values, Values], expected: tuple[float, ...]) -> None:
        """The decisions about champions are compared with those of other days."""
        assert compare_models(*pair) == pytest.approx(expected, rel=1e-12)

    @pytest.mark.parametrize(("gained", "lost"), [(12, 5), (0, 6), (40, 41), (1, 0)])
    def test_has_the_interval_of_the_paired_bootstrap_of_scipy(self, gained: int, lost: int) -> None:
        pair = make_pair(100, gained, lost, 150 - gained - lost)
        drawn = draw(lambda new, old, axis: new.mean(axis=axis) - old.mean(axis=axis), *pair)
        compared = compare_models(*pair)
        # A row is 0.004; both are drawn.
        assert (compared.low, compared.high) == pytest.approx(drawn, abs=0.0041)

    @pytest.mark.parametrize("rows", [40, 2500])
    @pytest.mark.parametrize("tail", [2.1, 100.0])
    def test_has_the_interval_of_any_differences(self, rows: int, tail: float) -> None:
        """They are gathered in bins; heavy tails would be cut by bins of equal numbers of rows."""
        values = np.random.default_rng(3).standard_t(tail, rows)
        compared = compare_models(values, np.zeros(rows))
        low, high = draw(lambda each, axis: each.mean(axis=axis), values)
        assert compared.difference == pytest.approx(values.mean())
        assert (compared.low, compared.high) == pytest.approx((low, high), abs=0.04 * (high - low))
        assert compared.p_value is None

    @pytest.mark.parametrize(
        ("gained", "lost", "p_value"),
        [
            (10, 0, 2 / 1024),
            # One of ten, or none; and as many on the other side.
            (1, 9, 2 * 11 / 1024),
            (9, 1, 2 * 11 / 1024),
            (5, 5, 1),
            (0, 0, 1),
            (1, 0, 1),
        ],
    )
    def test_has_the_p_value_that_a_pencil_gives(self, gained: int, lost: int, p_value: float) -> None:
        assert compare_models(*make_pair(20, gained, lost, 3)).p_value == pytest.approx(p_value)

    def test_says_that_a_model_is_like_itself(self) -> None:
        new, _ = make_pair(20, 5, 0, 5)
        assert compare_models(new, new) == Comparison(0, 0, 0, 1)

    @pytest.mark.parametrize("is_new_right", [True, False])
    @pytest.mark.parametrize("is_old_right", [True, False])
    def test_takes_a_single_row(self, is_new_right: bool, is_old_right: bool) -> None:
        difference = is_new_right - is_old_right
        compared = compare_models(np.array([float(is_new_right)]), np.array([float(is_old_right)]))
        assert compared == Comparison(difference, difference, difference, 1)

    @pytest.mark.parametrize("rows", [3, 49, 1000])
    def test_takes_a_model_that_gains_or_loses_every_row(self, rows: int) -> None:
        right, wrong = np.ones(rows), np.zeros(rows)
        p_value = pytest.approx(2 * 0.5**rows)
        assert compare_models(right, wrong) == (1, 1, 1, p_value)
        assert compare_models(wrong, right) == (-1, -1, -1, p_value)

    @pytest.mark.filterwarnings("error")
    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
    def test_compares_any_rows(self, rows: list[tuple[bool, bool]]) -> None:
        new, old = np.array(rows, float).T
        compared = compare_models(new, old)
        assert compared.difference == pytest.approx(new.mean() - old.mean())
        assert -1 <= compared.low <= compared.difference <= compared.high <= 1
        gained, lost = sum(row == (True, False) for row in rows), sum(row == (False, True) for row in rows)
        expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
        assert compared.p_value == pytest.approx(expected)

    def test_is_the_other_way_round_for_the_other_model(self) -> None:
        pair = make_pair(900, 40, 20, 40)
        one, other = compare_models(*pair), compare_models(*pair[::-1])
        assert (one.difference, one.p_value) == (-other.difference, other.p_value)
        assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.002)

    def test_covers_the_true_difference(self) -> None:
        generator = np.random.default_rng(1)
        covered = []
        for _ in range(120):
            kinds = generator.multinomial(500, [0.8, 0.08, 0.05, 0.07])
            compared = compare_models(*make_pair(*kinds))
            covered.append(compared.low <= 0.03 <= compared.high)
        assert 0.91 <= np.mean(covered) <= 0.99

    def test_is_the_same_each_time(self) -> None:
        pair = make_pair(100, 12, 7, 5)
        assert compare_models(*pair) == compare_models(*pair)


Measure = Callable[..., Values]


def measure_recall(truth: Values, predicted: Values, label: int) -> Values:
    """Return the recall of a class in each sample; that of the truth by the predictions is the precision."""
    return ((truth == label) & (predicted == label)).sum(axis=-1) / (truth == label).sum(axis=-1)


def measure_f1(truth: Values, predicted: Values) -> Values:
    both = ((truth == 2) & (predicted == 2)).sum(axis=-1)
    return 2 * both / ((truth == 2).sum(axis=-1) + (predicted == 2).sum(axis=-1))


class TestListValues:
    @pytest.mark.parametrize("figure", FIGURES)
    def test_has_the_mean_that_the_metrics_have(self, figure: str) -> None:
        test, predicted = make_rows(500, skill=1.0)
        truth, codes = test["target"].to_numpy(), predicted["pred"].to_numpy()
        probabilities = predicted[PredictionSchema.probability_columns()].to_numpy()
        figures = dict(score(truth, codes, probabilities))
        for each in score_classes(truth, codes, probabilities):
            figures |= {f"{name}[{each['name']}]": value for name, value in each.items()}
        assert list_values(figure, test, predicted).mean() == pytest.approx(figures[figure])

    @pytest.mark.parametrize(
        ("figure", "measure"),
        [
            (
                "balanced_accuracy",
                lambda truth, pred: np.mean([measure_recall(truth, pred, c) for c in range(3)], axis=0),
            ),
            ("recall[2]", lambda truth, pred: measure_recall(truth, pred, 2)),
            ("precision[1]", lambda truth, pred: measure_recall(pred, truth, 1)),
            ("f1[2]", measure_f1),
        ],
    )
    def test_gives_the_interval_of_the_paired_bootstrap_of_scipy(self, figure: str, measure: Measure) -> None:
        (test, new), (_, old) = make_rows(600, skill=2.0), make_rows(600, skill=1.0, seed=1)

        def subtract(truth: Values, new: Values, old: Values, axis: int) -> Values:
            assert axis == -1
            return measure(truth, new) - measure(truth, old)

        low, high = draw(subtract, test["target"], new["pred"], old["pred"])
        compared = compare_models(*(list_values(figure, test, each) for each in (new, old)))
        assert (compared.low, compared.high) == pytest.approx((low, high), abs=0.05 * (high - low))

    def test_counts_what_is_never_predicted_as_zero(self) -> None:
        test, predicted = make_rows(300, skill=4.0)
        never = predicted.assign(pred=0)
        assert list_values("precision[2]", test, never).tolist() == [0] * 300
        assert compare_models(list_values("f1[2]", test, predicted), list_values("f1[2]", test, never)).low > 0

    def test_names_a_class_without_rows(self) -> None:
        test, predicted = make_rows(300, skill=1.0)
        with pytest.raises(ChampionError, match=r"compared by recall\[2\]: no test row is of that class"):
            list_values("recall[2]", test[test["target"] < 2], predicted[test["target"] < 2])


class TestFigureParameter:
    @pytest.mark.parametrize("figure", FIGURES)
    def test_takes_the_figures_of_the_metrics(self, figure: str) -> None:
        assert FigureParameter().normalize(figure) == figure

    @pytest.mark.parametrize("figure", ["", "recall", "recall[3]", "accuracy[0]", "rows[1]", "accuracy_interval.low"])
    def test_refuses_all_else_in_a_sentence(self, figure: str) -> None:
        problem = re.escape(
            f"models cannot be compared by {figure!r}: give one of accuracy, balanced_accuracy, log_loss"
        )
        with pytest.raises(SettingError, match=problem):
            FigureParameter().normalize(figure)


@pytest.mark.parametrize(("p_value", "shown"), [(0.0312, ", p = 0.031)"), (None, ")")])
def test_a_comparison_is_shown_with_all_figures(p_value: float | None, shown: str) -> None:
    assert str(Comparison(0.01, -0.005, 0.025, p_value)) == f"+0.0100 (95% interval -0.0050 to +0.0250{shown}"
