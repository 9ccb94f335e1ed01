"""Metrics of a model that predicts a number; all but R² are in the unit of the target."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.pipeline.model.model_input import encode_target
from gokart_pipeline_sample.pipeline.quality import metrics
from gokart_pipeline_sample.pipeline.quality.scores import CONFIDENCE, SHOWN_ROWS, Quality, average_groups, show_rows
from gokart_pipeline_sample.pipeline.schemas.output import INTERVAL, PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

DECILES, SHOWN_POINTS, SEED = 10, 500, 42

Floats = npt.NDArray[np.float64]


def score(truth: Floats, predicted: Floats) -> metrics.NumberScores:
    """Score the predictions of rows; R² is None if all rows have the same target."""
    from sklearn.metrics import r2_score

    error = predicted - truth
    return metrics.NumberScores(
        mae=float(np.abs(error).mean()),
        rmse=float(np.sqrt(np.square(error).mean())),
        median_absolute_error=float(np.median(np.abs(error))),
        # It is beyond all floats if the targets hardly differ.
        r2=float(r2) if np.ptp(truth) and np.isfinite(r2 := r2_score(truth, predicted)) else None,
        bias=float(error.mean()),
    )


def score_baseline(truth: Floats, center: dict[str, float]) -> metrics.NumberScores:
    """Score a model that knows only the median (MAE, median error) or the mean (the rest) of the training rows."""
    median, mean = (score(truth, np.full(len(truth), center[name])) for name in ("median", "mean"))
    return {**mean, "mae": median["mae"], "median_absolute_error": median["median_absolute_error"]}


def compare_with_baseline(truth: Floats, predicted: Floats, median: float, groups: Any = None) -> float:
    """Return the p-value that a model errs less than the median only by chance: a paired t-test, one-sided."""
    from scipy.stats import ttest_rel

    errors, of_median = (average_groups(np.abs(each - truth), groups) for each in (predicted, median))
    if len(errors) < 2 or not np.ptp(of_median - errors):  # Without a variance there is no test.
        return 0.0 if len(errors) > 1 and (of_median > errors).all() else 1.0
    return float(ttest_rel(of_median, errors, alternative="greater").pvalue)


def make_interval(values: Floats) -> dict[str, float]:
    """Return Student's t interval of the mean of a value of each row; the mean itself if there is one row."""
    from scipy.stats import sem, t

    margin = t.ppf((1 + CONFIDENCE) / 2, len(values) - 1) * sem(values) if len(values) > 1 else 0.0
    return {"level": CONFIDENCE, "low": float(values.mean() - margin), "high": float(values.mean() + margin)}


def score_labels(truth: Floats, predicted: Floats, model: Any) -> dict[str, list[float]]:
    """Return each figure by the name that requirements give it, with its 95% interval, if it has one.

    The model is that of a manifest, which has the median and the mean of its training rows.
    """
    interval = make_interval(np.abs(predicted - truth))
    figures: list[tuple[str, Any]] = [*score(truth, predicted).items()]
    if model:
        figures += [(f"baseline {name}", value) for name, value in score_baseline(truth, model).items()]
    found = {name: [value] * 3 for name, value in figures if value is not None}
    return {**found, "mae": [found["mae"][0], interval["low"], interval["high"]]}


def measure_deciles(truth: Floats, predicted: Floats) -> list[dict[Any, Any]]:
    """Measure the error of the tenths of the rows by prediction, the least first; equal predictions stay together."""
    rows = pd.DataFrame({"prediction": predicted, "truth": truth, "mae": np.abs(predicted - truth)})
    tenths = rows.groupby(pd.qcut(rows["prediction"], DECILES, duplicates="drop"), observed=True)
    return tenths.mean().assign(rows=tenths.size()).to_dict("records")


def sample_points(truth: Floats, predicted: Floats) -> list[list[float]]:
    """Return the truth and the prediction of at most ``SHOWN_POINTS`` rows, to be drawn."""
    shown = np.random.default_rng(SEED).permutation(len(truth))[:SHOWN_POINTS]
    return [[float(truth[row]), float(predicted[row])] for row in np.sort(shown)]


class NumberQuality(Quality):
    """The figures of a model that predicts a number."""

    figure, constant, another = "mae", "median of the training rows", "r2"
    scores = metrics.NumberScores
    require_acc, require = None, "mae<baseline"
    score_labels = staticmethod(score_labels)

    @staticmethod
    def rate(raw: Floats, truth: Floats, _: Booster) -> float:
        """Return R² of what a model predicts."""
        return score(truth, raw)["r2"] or 0.0

    @staticmethod
    def measure(
        common: metrics.Common, model: Booster, matched: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame
    ) -> metrics.NumberMetrics:
        """Complete the document about a model, given its predictions of the test rows in their order."""
        truth, learned = (encode_target(PreprocessedSchema, rows).to_numpy() for rows in (test, train))
        predicted = encode_target(PredictionSchema, matched).to_numpy()
        center = {"median": float(np.median(learned)), "mean": float(learned.mean())}
        groups = test.get(PreprocessedSchema.group_column())
        bounds = [matched[name].to_numpy() for name in INTERVAL if name in matched]
        errors = pd.Series(np.abs(predicted - truth), name="error").nlargest(SHOWN_ROWS)
        return metrics.NumberMetrics(
            **common,
            unit=PreprocessedSchema.target_unit(),
            baseline_p_value=compare_with_baseline(truth, predicted, center["median"], groups),
            model=score(truth, predicted),
            baseline=score_baseline(truth, center),
            center=center,
            mae_interval=make_interval(average_groups(np.abs(predicted - truth), groups)),
            interval=get_kept(model, "interval"),
            coverage=float(((bounds[0] <= truth) & (truth <= bounds[1])).mean()) if bounds else None,
            deciles=measure_deciles(truth, predicted),
            points=sample_points(truth, predicted),
            greatest_errors=show_rows(test, matched, errors),
        )
