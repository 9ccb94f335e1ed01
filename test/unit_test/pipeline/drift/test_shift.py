from __future__ import annotations

import json
import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2, entropy, norm

from gokart_pipeline_sample.pipeline.drift.shift import (
    BINS,
    FALSE_ALARMS,
    SHOWN_VALUES,
    SMALLEST_DISTANCE,
    Distribution,
    compare,
    compare_column,
    count_values,
    describe_column,
    find_threshold,
    measure_distance,
)

DECILES = [0.1] * 10
# Ten ranges; of a thousand rows one is out of range, and two are missing.
FLOATS = [*(0.997 * share for share in DECILES), 0.001, 0.002]
TWO = [0.5, 0.5, 0.0, 0.0]
SKEWED = [0.97, 0.03, 0.0, 0.0]
ZIPF = [*(1 / np.arange(1, 19) ** 2 / (1 / np.arange(1, 19) ** 2).sum()), 0.0, 0.0]
MISSING = [*(0.98 * share for share in DECILES), 0.0, 0.02]
SHAPES = {"floats": FLOATS, "missing": MISSING, "two": TWO, "skewed": SKEWED, "zipf": ZIPF}
# Rows of the reference, and new rows.
SIZES = [(30, 1), (30, 30), (30, 1_000_000), (1000, 1), (1000, 30), (1000, 1000), (100_000, 30), (100_000, 1_000_000)]


def draw(rows: int, shares: list[float] | np.ndarray, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).multinomial(rows, np.asarray(shares) / np.sum(shares))


def make_distribution(counts: np.ndarray) -> Distribution:
    return Distribution(starts=list(range(len(counts) - 2)), is_ordered=True, counts=counts.tolist())


def count_naively(column: pd.Series, distribution: Distribution) -> list[int]:
    starts, counts = distribution["starts"], [0] * (len(distribution["starts"]) + 2)
    for value in column:
        if pd.isna(value):
            place = -1
        elif distribution["is_ordered"]:
            is_inside = bool(starts) and starts[0] <= value <= starts[-1]
            place = max(number for number, start in enumerate(starts) if start <= value) if is_inside else -2
        else:
            place = starts.index(value) if value in starts else -2
        counts[place] += 1
    return counts


def make_categories(*values: str | None) -> pd.Series:
    return pd.Series(values, dtype="str").astype("category")


NORMAL = np.random.default_rng(0).normal(size=200)
# Training rows, and other rows.
COLUMNS: dict[str, tuple[pd.Series, pd.Series]] = {
    "floats": (pd.Series(NORMAL), pd.Series([*NORMAL[::3], math.nan, -99.0, 99.0, math.inf, -math.inf])),
    "narrow floats": (pd.Series(NORMAL, dtype="float32"), pd.Series([*NORMAL[::3], math.nan], dtype="float32")),
    "bounds": (pd.Series(np.arange(21.0)), pd.Series([0.0, -0.0, 2.0, np.nextafter(2, 0), 20.0, np.nextafter(20, 21)])),
    "integers": (pd.Series(range(100)), pd.Series([-1, 0, 50, 99, 100])),
    "narrow integers": (pd.Series([1, 2, 3], dtype="uint8"), pd.Series([0, 1, 3, 255], dtype="uint8")),
    "large integers": (pd.Series([2**52, 2**53]), pd.Series([2**53, 2**53 - 1, 2**62, -(2**63)])),
    "booleans": (pd.Series([True, False, False]), pd.Series([True, True, False])),
    "always true": (pd.Series([True, True]), pd.Series([True, False, False])),
    "nullable integers": (pd.Series([1, None, 3], dtype="Int64"), pd.Series([None, 2, 4, None], dtype="Int64")),
    "nullable booleans": (pd.Series([True, None], dtype="boolean"), pd.Series([None, False], dtype="boolean")),
    "few values": (pd.Series([1.0, 1.0, 2.0, 5.0]), pd.Series([0.0, 1.0, 1.5, 2.0, 5.0, 6.0])),
    "a constant": (pd.Series([7.0] * 20), pd.Series([7.0, 7.0, 6.9, 7.1, math.nan])),
    "often zero": (pd.Series([0.0] * 95 + [1.0, 2.0, 3.0, 4.0, 5.0]), pd.Series([0.0, 0.5, 1.0, 5.0, 5.5])),
    "all missing": (pd.Series([math.nan] * 3), pd.Series([1.0, math.nan])),
    "no training rows": (pd.Series([], dtype=float), pd.Series([1.0, math.nan])),
    "no rows": (pd.Series([1.0, 2.0]), pd.Series([], dtype=float)),
    "categories": (make_categories("a", "b", "b", None), make_categories("b", "c", None, "a", "b", "d")),
    "categories that do not occur": (
        pd.Series(pd.Categorical(["a", "a"], categories=["a", "b"])),
        pd.Series(pd.Categorical(["b", "a", None], categories=["b", "z", "a"])),
    ),
    "many categories": (
        make_categories(*(str(number) for number in range(60) for _ in range(60 - number))),
        make_categories(*(str(number) for number in range(70))),
    ),
    "only missing categories": (make_categories(None, None), make_categories("a", None)),
    "no categories": (make_categories(), make_categories()),
    "classes as text": (make_categories("x", "y"), pd.Series(["y", "z", None, "y"], dtype="str")),
    "classes as integers": (pd.Series([2, 0, 2]).astype("category"), pd.Series([0, 1, 2, 2])),
    "classes as booleans": (pd.Series([True, True]).astype("category"), pd.Series([False, True])),
}


@pytest.mark.parametrize("name", COLUMNS)
class TestCountValues:
    def test_is_what_a_loop_counts(self, name: str) -> None:
        train, test = COLUMNS[name]
        described = describe_column(train, test)
        assert described["counts"] == count_naively(test, described)
        assert count_values(train, described).tolist() == count_naively(train, described)

    def test_counts_each_row_once(self, name: str) -> None:
        train, test = COLUMNS[name]
        counts = describe_column(train, test)["counts"]
        assert sum(counts) == len(test)
        assert min(counts) >= 0
        assert counts[-1] == test.isna().sum()

    def test_counts_after_a_trip_through_json(self, name: str) -> None:
        train, test = COLUMNS[name]
        described = describe_column(train, test)
        loaded: Distribution = json.loads(json.dumps(described, allow_nan=False))
        assert loaded == described
        assert count_values(test, loaded).tolist() == described["counts"]


@given(
    train=st.lists(st.one_of(st.floats(allow_nan=True, allow_infinity=False), st.integers(-3, 3).map(float))),
    test=st.lists(st.one_of(st.floats(), st.integers(-3, 3).map(float))),
)
def test_any_numbers_are_counted_as_by_a_loop(train: list[float], test: list[float]) -> None:
    described = describe_column(pd.Series(train, dtype=float), pd.Series(test, dtype=float))
    assert described["counts"] == count_naively(pd.Series(test, dtype=float), described)
    assert described["starts"] == sorted(set(described["starts"]))
    known = [value for value in train if not math.isnan(value)]
    assert (described["starts"][:1], described["starts"][-1:]) == ([min(known)], [max(known)]) if known else ([], [])


class TestDescribeColumn:
    def test_gives_numbers_ranges_with_as_many_training_rows_each(self) -> None:
        train = pd.Series(np.random.default_rng(1).normal(size=1000))
        described = describe_column(train, train)
        assert len(described["starts"]) == BINS + 1
        assert described["counts"] == [pytest.approx(100, abs=1)] * BINS + [1, 0, 0]

    def test_gives_each_of_a_few_values_a_range_of_its_own(self) -> None:
        train = pd.Series([3, 1, 2] * 10)
        assert describe_column(train, train) == Distribution(
            starts=[1.0, 2.0, 3.0], is_ordered=True, counts=[10, 10, 10, 0, 0]
        )

    def test_tells_a_frequent_value_from_those_above_it(self) -> None:
        amounts = np.random.default_rng(2).exponential(5, 70)
        train = pd.Series([*([0.0] * 930), *amounts])
        described = describe_column(train, train)
        assert described["starts"] == [0.0, amounts.min(), amounts.max()]
        shifted = compare_column(described, count_values(pd.Series(amounts), described).tolist(), 1)
        assert shifted["distance"] > 0.8
        assert shifted["alarms"]

    def test_shows_the_most_frequent_of_many_categories(self) -> None:
        train, test = COLUMNS["many categories"]
        described = describe_column(train, test)
        assert described["starts"] == [str(number) for number in range(SHOWN_VALUES)]
        assert described["counts"] == [1] * SHOWN_VALUES + [40, 0]


class TestMeasureDistance:
    def test_is_what_a_pencil_gives(self) -> None:
        # All rows of one value against halves: the middle is 3/4 and 1/4.
        divergence = (math.log2(4 / 3) + (math.log2(2 / 3) + math.log2(2)) / 2) / 2
        assert measure_distance(np.array([7, 0]), np.array([2, 2])) == pytest.approx(math.sqrt(divergence))
        assert measure_distance(np.array([3, 0]), np.array([0, 5])) == 1

    def test_is_that_of_the_documentation_of_scipy(self) -> None:
        # Its example has the natural logarithm: scipy.spatial.distance.jensenshannon([1.0, 0.0], [0.5, 0.5]).
        expected = 0.46450140402245893 / math.sqrt(math.log(2))
        assert measure_distance(np.array([1, 0]), np.array([1, 1])) == pytest.approx(expected)

    @given(st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=1, max_size=20))
    def test_is_the_entropy_of_the_middle_less_that_of_both(self, pairs: list[tuple[int, int]]) -> None:
        # Lin (1991), equation 4.1.
        counts = np.array([*pairs, (1, 1)]).T
        known, new = (each / each.sum() for each in counts)
        divergence = entropy((known + new) / 2, base=2) - (entropy(known, base=2) + entropy(new, base=2)) / 2
        distance = float(measure_distance(counts[0], counts[1]))
        assert distance**2 == pytest.approx(divergence, abs=1e-12)
        assert 0 <= distance <= 1

    def test_measures_row_by_row(self) -> None:
        known, new = np.array([[1, 2, 3], [4, 0, 1]]), np.array([[3, 2, 1], [4, 0, 1]])
        each = [float(measure_distance(*pair)) for pair in zip(known, new, strict=True)]
        assert measure_distance(known, new).tolist() == each

    @pytest.mark.filterwarnings("error")
    def test_is_a_number_for_shares_that_are_all_but_the_same(self) -> None:
        known = np.random.default_rng(3).integers(1, 10**9, (1000, 5))
        distances = measure_distance(known, known + np.eye(5, dtype=int)[np.arange(1000) % 5])
        assert not np.isnan(distances).any()
        assert distances.max() < 1e-6


class TestFindThreshold:
    @pytest.mark.parametrize("comparisons", [1, 20])
    @pytest.mark.parametrize("values", [2, 3, 10, 20])
    def test_is_the_quantile_that_theory_gives(self, values: int, comparisons: int) -> None:
        # Grosse et al. (2002), equation 14: of N rows, half of them new, 2 N ln 2 times the divergence is chi-squared.
        rows = 4_000
        reference = np.full(values, rows // values)
        quantile = chi2.isf(FALSE_ALARMS / comparisons, values - 1) / (2 * 2 * rows * math.log(2))
        expected = max(math.sqrt(quantile), SMALLEST_DISTANCE)
        assert find_threshold(reference, int(reference.sum()), comparisons) == pytest.approx(expected, rel=0.1)

    @pytest.mark.parametrize(("known", "new"), SIZES)
    @pytest.mark.parametrize("shape", SHAPES)
    def test_is_hardly_ever_exceeded_without_a_shift(self, shape: str, known: int, new: int) -> None:
        exceeded = []
        for seed in range(12):
            reference = draw(known, SHAPES[shape], seed)
            batches = np.random.default_rng(seed + 100).multinomial(new, SHAPES[shape], 500)
            exceeded.append(measure_distance(reference, batches) > find_threshold(reference, new, comparisons=5))
        assert np.mean(exceeded) < 0.005

    @pytest.mark.parametrize(
        ("known", "new", "deviations"), [(100, 100, 1.2), (1000, 100, 0.9), (1000, 1000, 0.4), (1000, 1_000_000, 0.3)]
    )
    def test_is_exceeded_by_a_mean_that_has_moved(self, known: int, new: int, deviations: float) -> None:
        bounds = norm.ppf(np.linspace(0, 1, 11))
        moved = [*np.diff(norm.cdf(bounds - deviations)), 0, 0]
        for seed in range(10):
            reference, batch = draw(known, [*DECILES, 0, 0], seed), draw(new, moved, seed + 100)
            assert measure_distance(reference, batch) > find_threshold(reference, new, comparisons=5)

    def test_is_greater_for_fewer_rows_and_for_more_comparisons(self) -> None:
        reference = draw(1000, FLOATS, 1)
        thresholds = [find_threshold(reference, rows, 5) for rows in (10, 100, 1000, 10_000)]
        assert thresholds == sorted(thresholds, reverse=True)
        thresholds = [find_threshold(reference, 100, comparisons) for comparisons in (1, 5, 500)]
        assert thresholds == sorted(set(thresholds))

    def test_is_the_same_each_time(self) -> None:
        reference = draw(1000, FLOATS, 1)
        assert find_threshold(reference, 100, 5) == find_threshold(reference, 100, 5)

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("reference", [[1, 0, 0], [0, 1], [10**9, 0, 0], [10**9, 10**9, 1, 0]])
    @pytest.mark.parametrize("rows", [1, 10**9])
    def test_is_a_number_whatever_the_reference(self, reference: list[int], rows: int) -> None:
        assert SMALLEST_DISTANCE <= find_threshold(np.array(reference), rows, 1000) < math.inf


class TestCompareColumn:
    @pytest.mark.parametrize(("known", "new"), SIZES)
    def test_raises_hardly_any_alarm_without_a_shift(self, known: int, new: int) -> None:
        alarms = []
        for seed in range(100):
            reference, batch = draw(known, FLOATS, seed), draw(new, FLOATS, seed + 1000)
            alarms += compare_column(make_distribution(reference), batch.tolist(), 5)["alarms"]
        assert len(alarms) <= 1

    def test_passes_over_a_shift_that_only_millions_of_rows_prove(self) -> None:
        moved = [FLOATS[0] + 0.01, FLOATS[1] - 0.01, *FLOATS[2:-2], FLOATS[-2] + 0.004, FLOATS[-1] + 0.004]
        batch = draw(10_000_000, moved, 1)
        compared = compare_column(make_distribution(draw(1_000_000, FLOATS, 1)), batch.tolist(), 5)
        assert 0.01 < compared["distance"] < compared["threshold"] == SMALLEST_DISTANCE
        assert compared["alarms"] == []

    def test_tells_what_has_shifted(self) -> None:
        compared = compare_column(make_distribution(np.array([50, 50, 0, 0])), [30, 30, 10, 30], 1)
        distance, threshold = compared["distance"], compared["threshold"]
        assert compared["alarms"] == [
            f"the distance from the test rows is {distance:.2f}, at most {threshold:.2f} is usual",
            "10.0% of the values are new or out of the range of the training rows, 0.0% is usual",
            "30.0% of the values are missing, 0.0% is usual",
        ]
        assert compared["counts"] == [30, 30, 10, 30]

    @pytest.mark.parametrize(
        ("known", "new", "is_alarm"),
        [
            # One of 30 rows says nothing where one of 1000 is missing, and something where none of a million is.
            ([999, 0, 1], [29, 0, 1], False),
            ([999_999, 0, 1], [26, 0, 4], True),
            ([30, 0, 0], [25, 0, 5], False),
            ([30, 0, 0], [15, 0, 15], True),
            # Fewer missing values than usual, and hardly more of millions.
            ([700, 0, 300], [1000, 0, 0], False),
            ([990_000, 0, 10_000], [985_000, 0, 15_000], False),
            ([990_000, 0, 10_000], [979_000, 0, 21_000], True),
        ],
    )
    def test_tells_more_missing_values_from_chance(self, known: list[int], new: list[int], is_alarm: bool) -> None:
        alarms = compare_column(make_distribution(np.array(known)), new, 5)["alarms"]
        assert any("are missing" in alarm for alarm in alarms) is is_alarm

    @pytest.mark.parametrize("rows", [30, 1_000_000])
    def test_finds_that_only_one_class_is_left(self, rows: int) -> None:
        compared = compare_column(make_distribution(np.array([10, 10, 10, 0, 0])), [rows, 0, 0, 0, 0], 5)
        assert len(compared["alarms"]) == 1

    @pytest.mark.filterwarnings("error")
    @pytest.mark.parametrize("known", [[1, 0, 0], [0, 0, 1], [0, 1]])
    def test_raises_no_alarm_against_a_single_row(self, known: list[int]) -> None:
        for rows in (1, 500):
            compared = compare_column(make_distribution(np.array(known)), [0] * (len(known) - 2) + [rows, 0], 1)
            assert compared["alarms"] == []
            json.dumps(compared, allow_nan=False)


class TestCompare:
    def test_begins_with_the_greatest_shift(self) -> None:
        reference = {name: make_distribution(np.array([500, 500, 0, 0])) for name in ("none", "some", "most")}
        counts = {"none": [500, 500, 0, 0], "some": [700, 300, 0, 0], "most": [0, 1000, 0, 0]}
        compared = compare(reference, counts)
        assert list(compared) == ["most", "some", "none"]
        assert [len(column["alarms"]) for column in compared.values()] == [1, 1, 0]

    def test_asks_more_of_each_of_many_columns(self) -> None:
        reference, counts = make_distribution(np.array([50, 50, 0, 0])), [69, 31, 0, 0]
        thresholds = [
            compare(dict.fromkeys(names, reference), dict.fromkeys(names, counts))["a"]["threshold"]
            for names in ("a", "abcde", "abcdefghij")
        ]
        assert thresholds == sorted(set(thresholds))

    def test_takes_a_column_for_three_comparisons(self) -> None:
        reference, counts = make_distribution(np.array([50, 50, 0, 0])), [69, 31, 0, 0]
        compared = compare({"a": reference, "b": reference}, {"a": counts, "b": counts})
        assert compared["a"] == compare_column(reference, counts, 6)
