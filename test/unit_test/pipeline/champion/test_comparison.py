from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, bootstrap

from gokart_pipeline_sample.pipeline.champion.choose_champion import Comparison, Right, compare_models


def make_pair(both: int, gained: int, lost: int, none: int) -> tuple[Right, Right]:
    """Make up rows that both models, the new one alone, the old one alone or none predicts rightly."""
    numbers = [both, gained, lost, none]
    return np.repeat([True, True, False, False], numbers), np.repeat([True, False, True, False], numbers)


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

    @pytest.mark.parametrize(("gained", "lost"), [(12, 5), (0, 6), (40, 41), (1, 0)])
    def test_has_the_interval_of_the_paired_bootstrap_of_scipy(self, gained: int, lost: int) -> None:
        new, old = make_pair(100, gained, lost, 150 - gained - lost)

        def measure(new: Right, old: Right, axis: int) -> np.ndarray:
            return new.mean(axis=axis) - old.mean(axis=axis)

        drawn = bootstrap(
            (new, old), measure, paired=True, vectorized=True, method="percentile", n_resamples=9999, rng=1
        ).confidence_interval
        compared = compare_models(new, old)
        # A row is 0.004; both are drawn.
        assert (compared.low, compared.high) == pytest.approx((drawn.low, drawn.high), abs=0.0041)

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
        compared = compare_models(np.array([is_new_right]), np.array([is_old_right]))
        assert compared == Comparison(difference, difference, difference, 1)

    @pytest.mark.parametrize("rows", [3, 49, 1000])
    def test_takes_a_model_that_gains_or_loses_every_row(self, rows: int) -> None:
        right, wrong = np.ones(rows, bool), np.zeros(rows, bool)
        p_value = pytest.approx(2 * 0.5**rows)
        assert compare_models(right, wrong) == (1, 1, 1, p_value)
        assert compare_models(wrong, right) == (-1, -1, -1, p_value)

    @pytest.mark.filterwarnings("error")
    @given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
    def test_compares_any_rows(self, rows: list[tuple[bool, bool]]) -> None:
        new, old = np.array(rows).T
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


def test_a_comparison_is_shown_with_all_figures() -> None:
    assert str(Comparison(0.01, -0.005, 0.025, 0.0312)) == "+0.0100 (95% interval -0.0050 to +0.0250, p = 0.031)"
