from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap

from gokart_pipeline_sample.pipeline.champion.comparison import compare_models
from gokart_pipeline_sample.pipeline.quality.scores import average_groups, count_effective_rows, make_interval


def make_right(groups: int, rows: int, seed: int = 0, spread: float = 2.0) -> tuple[np.ndarray, pd.Series]:
    """Make up which rows are predicted rightly, in groups of one to twice as many rows that differ by their chances."""
    generator = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups), generator.integers(1, 2 * rows, groups))
    chances = 1 / (1 + np.exp(-1 - spread * generator.normal(size=groups)))
    return generator.random(len(group)) < chances[group], pd.Series(group).map("customer {}".format)


class TestAverageGroups:
    def test_is_what_a_pencil_gives(self) -> None:
        values, groups = np.array([1.0, 1, 1, 0, 0, 1]), pd.Series(["a", "a", "a", "b", "b", "c"], index=[9] * 6)
        # The mean is 4 / 6: 4 / 6 + (3 - 3 * 4 / 6) * 3 / 6, and so on.
        assert average_groups(values, groups) == pytest.approx([7 / 6, 0, 5 / 6])

    def test_keeps_the_mean(self) -> None:
        right, groups = make_right(30, 10)
        assert average_groups(right, groups).mean() == pytest.approx(right.mean())

    def test_keeps_values_without_groups_and_those_of_groups_of_one_row(self) -> None:
        right = np.random.default_rng(0).random(50)
        assert average_groups(right, None) is right
        assert average_groups(right, pd.Series(range(50))) == pytest.approx(right)

    def test_gives_the_interval_of_resampled_groups(self) -> None:
        (new, groups), (old, _) = make_right(80, 12), make_right(80, 12, spread=1.0)
        sums = pd.DataFrame({"new": new, "old": old, "rows": 1}).groupby(groups.array).sum().to_numpy()

        def measure(new: np.ndarray, old: np.ndarray, rows: np.ndarray, axis: int) -> np.ndarray:
            return (new.sum(axis=axis) - old.sum(axis=axis)) / rows.sum(axis=axis)

        drawn = bootstrap(tuple(sums.T), measure, paired=True, method="percentile", rng=1).confidence_interval
        compared = compare_models(*(average_groups(each.astype(float), groups) for each in (new, old)))
        assert compared.difference == pytest.approx(new.mean() - old.mean())
        width = drawn.high - drawn.low
        assert (compared.low, compared.high) == pytest.approx((drawn.low, drawn.high), abs=0.06 * width)
        by_rows = compare_models(new.astype(float), old.astype(float))
        assert compared.high - compared.low > 1.3 * (by_rows.high - by_rows.low)


class TestCountEffectiveRows:
    def test_is_all_rows_without_groups(self) -> None:
        assert count_effective_rows(np.array([True, False, True]), None) == 3

    def test_is_about_all_rows_if_groups_are_single_rows(self) -> None:
        right = np.random.default_rng(0).random(400) < 0.7
        assert count_effective_rows(right, pd.Series(range(400))) == pytest.approx(400, abs=1)

    def test_is_about_the_number_of_groups_if_their_rows_are_alike(self) -> None:
        right = np.repeat(np.random.default_rng(0).random(100) < 0.7, 10)
        assert count_effective_rows(right, pd.Series(np.repeat(range(100), 10))) == pytest.approx(100, abs=5)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("share", [0, 1])
    def test_is_the_number_of_groups_if_nothing_differs(self, share: int) -> None:
        assert count_effective_rows(np.full(200, bool(share)), pd.Series([*range(20)] * 10)) == 20

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize(("groups", "most"), [(1, 1), (2, 30), (3, 250)])
    def test_is_small_for_few_groups_even_if_they_are_alike(self, groups: int, most: int) -> None:
        right = np.tile([True, True, True, False], 300)
        assert 1 <= count_effective_rows(right, pd.Series(np.repeat(range(groups), 1200 // groups))) <= most

    @pytest.mark.parametrize("groups", [10, 40, 200])
    def test_gives_an_interval_that_covers(self, groups: int) -> None:
        truth = np.concatenate([make_right(4000, 10, seed)[0] for seed in range(1000, 1004)]).mean()
        covered, naive = [], []
        for seed in range(200):
            right, group = make_right(groups, 10, seed)
            for found, rows in ((covered, count_effective_rows(right, group)), (naive, len(right))):
                interval = make_interval(right.mean(), rows)
                found.append(interval["low"] <= truth <= interval["high"])
        assert np.mean(covered) >= 0.92
        assert np.mean(naive) < 0.85
