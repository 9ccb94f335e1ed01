"""The comparison of two models on the same rows."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
DRAWS = 10_000
SEED = 42

Right = npt.NDArray[np.bool_]


class Comparison(NamedTuple):
    """The difference of two accuracies: the new model's minus the old one's."""

    difference: float
    low: float  # of its 95% interval
    high: float
    p_value: float  # of the hypothesis that both are equally accurate

    def __str__(self) -> str:
        return f"{self.difference:+.4f} (95% interval {self.low:+.4f} to {self.high:+.4f}, p = {self.p_value:.2g})"


def compare_models(new: Right, old: Right) -> Comparison:
    """Compare two models, given whether each predicts each row rightly.

    The interval is that of the paired bootstrap (Efron, 1979): pairs of rows are drawn, and only how many of them one
    model alone predicts rightly matters, which is multinomial. The p-value is that of McNemar's exact test (Dietterich,
    Approximate statistical tests for comparing supervised classification learning algorithms, 1998).
    """
    from scipy.stats import binomtest

    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    rows = len(new)
    shares = [gained / rows, lost / rows, 1 - (gained + lost) / rows]
    draws = np.random.default_rng(SEED).multinomial(rows, shares, DRAWS)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / rows, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Comparison((gained - lost) / rows, float(low), float(high), p_value)
