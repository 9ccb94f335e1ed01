"""The shift of new rows against the test rows, column by column, and the accuracy that their probabilities promise."""

from __future__ import annotations

from statistics import NormalDist
from typing import Any, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd

BINS = 10
SHOWN_VALUES = 30
DRAWS = 500
SEED = 42
FALSE_ALARMS = 0.00135  # one-sided: that of three standard deviations; all comparisons share it
SMALLEST_DISTANCE, SMALLEST_SHARE = 0.05, 0.01  # a smaller shift matters to nobody, however many rows prove it
CONFIDENCE = 0.95
POINTS = 100
FEW_ROWS = 10  # with fewer right or wrong predictions, the slope of a line would be chance

Counts = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Distribution(TypedDict):
    """The number of rows by value, or range of values, of a column."""

    starts: list[Any]  # the values, or the lower bounds of the ranges, of which the last is the greatest value itself
    is_ordered: bool  # whether they are ranges
    # A number of rows for each, then of other values (out of range, unseen, or not frequent), then of missing ones.
    counts: list[int]


class ColumnShift(TypedDict):
    """The shift of a column."""

    distance: float  # Jensen-Shannon, from 0 (the same shares) to 1
    threshold: float  # the least distance that raises an alarm
    alarms: list[str]
    reference: Distribution
    counts: list[int]  # of the new rows


def describe_column(train: pd.Series[Any], test: pd.Series[Any]) -> Distribution:
    """Choose values or ranges that the training rows suggest, and count the test rows.

    Numbers get ``BINS`` ranges with about as many training rows each, and a value that is more frequent one of its own;
    categories get their ``SHOWN_VALUES`` most frequent values.
    """
    if train.dtype == "category":
        frequencies = train.value_counts()
        starts = frequencies.index[frequencies > 0][:SHOWN_VALUES].tolist()
    else:
        values = train.dropna().to_numpy(dtype=float)
        bounds = np.quantile(values, np.linspace(0, 1, BINS + 1), method="inverted_cdf") if len(values) else values
        frequent = np.unique(bounds[:-1][(bounds[:-1] == bounds[1:]) & (bounds[:-1] < bounds[-1:])])
        starts = np.unique([*bounds, *(values[values > value].min() for value in frequent)]).tolist()
    empty = Distribution(starts=starts, is_ordered=train.dtype != "category", counts=[])
    return {**empty, "counts": count_values(test, empty).tolist()}


def count_values(column: pd.Series[Any], distribution: Distribution) -> Counts:
    """Count rows as the ``counts`` of a distribution do."""
    starts, missing = distribution["starts"], int(column.isna().sum())
    if distribution["is_ordered"]:
        values = column.to_numpy(dtype=float)
        # Comparing all values with a few bounds takes a fifth of the time of a binary search for each.
        bounds = [*starts, np.nextafter(max(starts, default=-np.inf), np.inf)]
        inside = -np.diff([np.count_nonzero(values >= bound) for bound in bounds])
    else:
        inside = column.value_counts(sort=False).reindex(starts, fill_value=0).to_numpy()
    return np.array([*inside, len(column) - missing - int(inside.sum()), missing])


def measure_distance(reference: Counts, counts: Counts) -> Floats:
    """Return the Jensen-Shannon distance (base 2) of the shares in the last dimension."""
    from scipy.spatial.distance import jensenshannon

    # The divergence of shares that are all but the same may be rounded to less than zero, which has no root.
    with np.errstate(invalid="ignore"):
        return np.asarray(np.nan_to_num(jensenshannon(reference, counts, base=2, axis=-1)))


def find_threshold(reference: Counts, rows: int, comparisons: int) -> float:
    """Return the distance that a number of rows like the reference rows hardly ever exceed, by draws of both kinds.

    The divergence is about a scaled chi-squared variable (Grosse et al., Analysis of symbolic sequences using the
    Jensen-Shannon divergence, Physical Review E 65, 2002), whose scale and degrees of freedom follow from mean and
    variance (Satterthwaite, 1946). The comparisons share ``FALSE_ALARMS``.
    """
    from scipy.stats import gamma

    # Half a row more of each value (Jeffreys): a value that no reference row has is rare, not impossible.
    generator, shares = np.random.default_rng(SEED), (reference + 0.5) / (reference + 0.5).sum()
    known, new = (generator.multinomial(size, shares, DRAWS) for size in (reference.sum(), rows))
    divergences = measure_distance(known, new) ** 2
    mean, variance = divergences.mean(), divergences.var()
    quantile = gamma.isf(FALSE_ALARMS / comparisons, mean**2 / variance, scale=variance / mean)
    # No quantile of a smooth distribution knows a rare event, such as a rare value among few rows.
    return max(float(np.sqrt(max(quantile, divergences.max()))), SMALLEST_DISTANCE)


def compare(reference: dict[str, Distribution], counts: dict[str, list[int]]) -> dict[str, ColumnShift]:
    """Compare new rows, at least one, with the reference rows, column by column; the greatest shift comes first."""
    comparisons = 3 * len(reference)  # by the distance and by two shares
    shifts = {name: compare_column(known, counts[name], comparisons) for name, known in reference.items()}
    return dict(sorted(shifts.items(), key=lambda item: item[1]["threshold"] - item[1]["distance"]))


def compare_column(reference: Distribution, counts: list[int], comparisons: int) -> ColumnShift:
    """Compare a column of the new rows with that of the reference rows."""
    from scipy.stats import fisher_exact

    known, new = np.array(reference["counts"]), np.array(counts)
    distance = float(measure_distance(known, new))
    threshold = find_threshold(known, int(new.sum()), comparisons)
    alarms = []
    if distance > threshold:
        alarms.append(f"the distance from the test rows is {distance:.2f}, at most {threshold:.2f} is usual")
    for place, trouble in ((-2, "new or out of the range of the training rows"), (-1, "missing")):
        usual, share = known[place] / known.sum(), new[place] / new.sum()
        # Fisher's exact test (The Design of Experiments).
        table = [[new[place], known[place]], [new.sum() - new[place], known.sum() - known[place]]]
        is_larger = share > usual + SMALLEST_SHARE
        if is_larger and fisher_exact(table, alternative="greater").pvalue < FALSE_ALARMS / comparisons:
            alarms.append(f"{share:.1%} of the values are {trouble}, {usual:.1%} is usual")
    return ColumnShift(distance=distance, threshold=threshold, alarms=alarms, reference=reference, counts=counts)


def fit_calibration(confidence: Floats, right: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Calibrate the probabilities of predicted classes by whether each prediction is right, by Platt's method.

    Return the ``method``, offset or platt, and a line: the ``accuracies``, shares of right predictions, at rising
    ``probabilities``. Niculescu-Mizil and Caruana, Predicting good probabilities with supervised learning, ICML 2005.
    With few right or wrong rows only the offset of its line is fitted, so that the mean is right.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from sklearn.linear_model import LogisticRegression

    low, high = 1e-9, 1 - 1e-9
    odds = logit(np.clip(confidence, low, high))
    points = np.unique([*np.quantile(odds, np.linspace(0, 1, POINTS + 1)), *logit([low, high])])
    if min(right.sum(), (~right).sum()) < FEW_ROWS:
        # Half a row more of each kind (Jeffreys): no prediction is sure to be right.
        mean = (right.sum() + 0.5) / (len(right) + 1)
        offset = brentq(lambda offset: expit(odds + offset).mean() - mean, -50, 50)
        method, accuracies = "offset", expit(points + offset)
    else:
        platt = LogisticRegression(C=np.inf).fit(odds[:, None], right)
        method, accuracies = "platt", platt.predict_proba(points[:, None])[:, 1]
    return {"method": method, "probabilities": expit(points).tolist(), "accuracies": accuracies.tolist()}


def bound_mean(total: float, variance: float, rows: int, test_variance: float) -> list[float]:
    """Return the mean of a figure of ``rows`` predictions, at least one, and the bounds of its interval of 95%.

    ``total`` sums what is expected of each, and ``variance`` the variances. The expectation is as uncertain as the mean
    of the test rows that it was fitted to, whose variance is added. It holds while the relation of features and target
    is the same.
    """
    mean, deviation = total / rows, np.sqrt(variance / rows**2 + test_variance)
    margin = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation
    return [float(each) for each in (mean, max(mean - margin, 0.0), mean + margin)]
