"""Compare two models by a figure of ``metrics.json``, on the same rows."""

from typing import NamedTuple

import luigi
import numpy as np
import numpy.typing as npt
import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import ChampionError, SettingError
from gokart_pipeline_sample.pipeline.model.model_input import encode_target
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

LOSSES = ("log_loss", "brier_score", "mae")
SCORES, CLASS_SCORES = ("accuracy", "balanced_accuracy", "log_loss", "brier_score"), ("precision", "recall", "f1")
DRAWS, BATCHES, SEED = 10_000, 10, 42
BINS = 2000  # of differences; they lose at most the share rows / (6 * BINS**2) of the variance, whatever it is

Values = npt.NDArray[np.float64]


class FigureParameter(luigi.Parameter[str]):
    """A figure of ``metrics.json`` that models can be compared by."""

    def normalize(self, x: str) -> str:
        """Return the figure; raise a SettingError if it does not exist."""
        of_class = [f"{name}[{each}]" for each in PreprocessedSchema.target_classes() for name in CLASS_SCORES]
        known = [*SCORES, *of_class] if of_class else ["mae"]
        if x not in known:
            raise SettingError(f"models cannot be compared by {x!r}: give one of {', '.join(known)}")
        return x


class Comparison(NamedTuple):
    """The difference of a figure of two models: the new model's minus the old one's."""

    difference: float
    low: float  # of its 95% interval
    high: float
    p_value: float | None  # of the hypothesis that both are right equally often, if each row is right or wrong

    def __str__(self) -> str:
        p_value = "" if self.p_value is None else f", p = {self.p_value:.2g}"
        return f"{self.difference:+.4f} (95% interval {self.low:+.4f} to {self.high:+.4f}{p_value})"


def compare_models(new: Values, old: Values) -> Comparison:
    """Compare two models by the mean of their values of the rows; see :func:`list_values`.

    The interval is that of the paired bootstrap (Efron, 1979): pairs of rows are drawn, and only how many of them have
    which difference matters, which is multinomial. The p-value is that of McNemar's exact test (Dietterich, Approximate
    statistical tests for comparing supervised classification learning algorithms, 1998).
    """
    from scipy.stats import binomtest

    rows, difference, generator = len(new), new - old, np.random.default_rng(SEED)
    differing = difference[difference != 0]
    counts, sums = (np.histogram(-differing, BINS, weights=each)[0] for each in (None, differing))
    means, shares = sums[counts > 0] / counts[counts > 0], [*counts[counts > 0] / rows, 1 - counts.sum() / rows]
    draws = [generator.multinomial(rows, shares, DRAWS // BATCHES)[:, :-1] @ means for _ in range(BATCHES)]
    low, high = np.quantile(np.concatenate(draws) / rows, [0.025, 0.975])
    p_value = None
    if np.isin(differing, (-1, 1)).all():
        p_value = float(binomtest(int((differing > 0).sum()), len(differing)).pvalue) if len(differing) else 1.0
    return Comparison(float(difference.mean()), float(low), float(high), p_value)


def list_values(figure: str, test: DataFrame[PreprocessedSchema], matched: pd.DataFrame) -> Values:
    """Return a value for each row, whose mean is the figure (0/0 counts as 0); ``matched`` has their predictions.

    A figure that is no mean of rows is linearised by its influence function (Hampel, 1974). A class without rows is a
    ChampionError.
    """
    truth = encode_target(PreprocessedSchema, test).to_numpy()
    predicted = encode_target(PredictionSchema, matched).to_numpy()
    if figure == "mae":
        return np.asarray(np.abs(predicted - truth))
    probabilities = matched[PredictionSchema.probability_columns()].to_numpy()
    right, of_truth = truth == predicted, probabilities[np.arange(len(truth)), truth]
    if figure == "accuracy":
        return np.asarray(right, float)
    if figure == "log_loss":
        return np.asarray(-np.log(np.maximum(of_truth, np.finfo(float).eps)))
    if figure == "brier_score":
        return np.asarray(np.square(probabilities).sum(axis=1) - 2 * of_truth + 1)
    if figure == "balanced_accuracy":
        _, codes, counts = np.unique(truth, return_inverse=True, return_counts=True)
        recalls = np.bincount(codes, right) / counts
        return np.asarray(recalls.mean() + (right - recalls[codes]) * len(truth) / counts[codes] / len(counts))
    name, _, of_class = figure.partition("[")
    label = [f"{each}]" for each in PreprocessedSchema.target_classes()].index(of_class)
    is_class, is_predicted = truth == label, predicted == label
    if not is_class.any():
        raise ChampionError(f"models cannot be compared by {figure}: no test row is of that class")
    whole = {"recall": is_class, "precision": is_predicted}.get(name, (is_class.astype(float) + is_predicted) / 2)
    ratio = (is_class & is_predicted).sum() / max(whole.sum(), 1)
    return np.asarray(ratio + ((is_class & is_predicted) - ratio * whole) * len(whole) / max(whole.sum(), 1))
