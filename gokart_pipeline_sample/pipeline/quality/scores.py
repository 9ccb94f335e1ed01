"""Metrics of a model; ``Codes`` are class numbers, in the order of the schema."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.pipeline.model.decision import decide
from gokart_pipeline_sample.pipeline.model.model_input import encode_target
from gokart_pipeline_sample.pipeline.quality import metrics
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

CONFIDENCE = 0.95
CALIBRATION_BINS = 10
SHOWN_ROWS = 10
SHOWN_THRESHOLDS = 40

Codes = npt.NDArray[np.integer[Any]]
Probabilities = npt.NDArray[np.float64]


def score(truth: Codes, predicted: Codes, probabilities: Probabilities) -> metrics.Scores:
    """Score all predictions, given the true class, the predicted class, and the probability of each class (columns)."""
    from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, recall_score

    labels = range(probabilities.shape[1])
    areas = [_area_under_curve(truth, probabilities, label) for label in labels]
    return metrics.Scores(
        accuracy=float(accuracy_score(truth, predicted)),
        # The same as balanced_accuracy_score, which warns if a class is predicted that no row has.
        balanced_accuracy=float(recall_score(truth, predicted, labels=np.unique(truth), average="macro")),
        log_loss=float(log_loss(truth, probabilities, labels=labels)),
        brier_score=float(brier_score_loss(truth, probabilities, labels=labels, scale_by_half=False)),
        roc_auc=_number_or_none(sum(areas) / len(areas)),
    )


def score_baseline(truth: Codes, classes: int) -> metrics.Scores:
    """Score a model that knows only how frequent each class is; see :func:`score`."""
    frequencies = np.bincount(truth, minlength=classes) / len(truth)
    return score(truth, np.full(len(truth), frequencies.argmax()), np.tile(frequencies, (len(truth), 1)))


def compare_with_baseline(truth: Codes, predicted: Codes, groups: "pd.Series[Any] | None" = None) -> float:
    """Return the p-value that a model is right more often than the most frequent class of the rows only by chance.

    That is McNemar's exact test, one-sided: only rows on which one of the two alone is right tell them apart. Groups of
    rows are compared by a t-test of theirs.
    """
    from scipy.stats import binomtest, ttest_1samp

    is_frequent, is_right = truth == np.bincount(truth).argmax(), truth == predicted
    gains = average_groups(is_right.astype(int) - is_frequent, groups)
    if groups is not None and len(gains) > 1 and np.ptp(gains):
        return float(ttest_1samp(gains, 0, alternative="greater").pvalue)
    gained, lost = int(is_right[~is_frequent].sum()), int((~is_right[is_frequent]).sum())
    return float(binomtest(gained, gained + lost, alternative="greater").pvalue) if gained + lost else 1.0


def make_interval(accuracy: float, rows: int) -> dict[str, float]:
    """Return the exact confidence interval of an accuracy (Clopper and Pearson, Biometrika 26, 1934)."""
    from scipy.stats import binomtest

    interval = binomtest(round(accuracy * rows), rows).proportion_ci(CONFIDENCE, method="exact")
    return {"level": CONFIDENCE, "low": float(interval.low), "high": float(interval.high)}


def average_groups(values: npt.NDArray[Any], groups: "pd.Series[Any] | None") -> npt.NDArray[Any]:
    """Return a value of each group, instead of each row, such that their mean is the same; the values without groups.

    It is m + (D - m n) G / N: D is the sum of the group's n values, and m the mean of all N in G groups. To resample it
    is to resample whole groups (Field and Welsh, Bootstrapping clustered data, 2007), with their ratio linearised.
    """
    if groups is None:
        return values
    sums = pd.DataFrame({"sum": values, "rows": 1}).groupby(groups.to_numpy()).sum()
    return np.asarray(values.mean() + (sums["sum"] - values.mean() * sums["rows"]) * len(sums) / len(values))


def count_effective_rows(right: npt.NDArray[np.bool_], groups: "pd.Series[Any] | None") -> int:
    """Return how many independent rows would tell as much of the accuracy; all of them, if they are in no groups.

    The fewer, the fewer the groups and the more they differ (Korn and Graubard, Confidence intervals for proportions
    with small expected number of positive counts, 1998); as many as groups, if all rows are right, or none is.
    """
    from scipy.stats import t

    values, variance, rows = average_groups(right, groups), right.var(), len(right)
    if groups is None or not variance or len(values) == 1:
        return len(values)
    independent = variance / max(values.var(ddof=1) / len(values), variance / rows)
    narrow, wide = t.ppf((1 + CONFIDENCE) / 2, [rows - 1, len(values) - 1])
    return max(1, round(float(independent * (narrow / wide) ** 2)))


def score_labels(truth: Codes, predicted: Codes, _: Any = None) -> dict[str, list[float]]:
    """Return each figure that needs no probabilities, by the name that requirements give it, with its 95% interval.

    F1 is 2J / (1 + J), if J is the share of the rows of this class or this prediction that have both; the interval of
    the balanced accuracy is wider than it need be.
    """
    from sklearn.metrics import confusion_matrix

    names = PreprocessedSchema.target_classes()
    counts = confusion_matrix(truth, predicted, labels=range(len(names)))
    both, rows, found = counts.diagonal(), counts.sum(axis=1), counts.sum(axis=0)
    shares = {"accuracy": [both.sum(), len(truth)], "baseline accuracy": [rows.max(), len(truth)]}
    for figure, wholes in {"recall": rows, "precision": found, "f1": rows + found - both}.items():
        shares |= {f"{figure}[{name}]": share for name, *share in zip(names, both, wholes, strict=True)}
    figures = {
        name: np.array([part / whole, *[*make_interval(part / whole, whole).values()][1:]])
        for name, (part, whole) in shares.items()
        if whole
    }
    figures |= {name: 2 * values / (1 + values) for name, values in figures.items() if name.startswith("f1[")}
    recalls = [values for name, values in figures.items() if name.startswith("recall[")]
    figures |= {"balanced_accuracy": np.mean(recalls, axis=0), "baseline balanced_accuracy": np.ones(3) / len(recalls)}
    return {name: values.tolist() for name, values in figures.items()}


def score_classes(truth: Codes, predicted: Codes, probabilities: Probabilities) -> list[metrics.ClassScores]:
    """Score each class against the rest; see :func:`score`."""
    from sklearn.metrics import precision_recall_fscore_support

    names = PreprocessedSchema.target_classes()
    scores = precision_recall_fscore_support(truth, predicted, labels=range(len(names)), zero_division=np.nan)
    return [
        metrics.ClassScores(
            name=name,
            rows=int(rows),
            precision=_number_or_none(precision),
            recall=_number_or_none(recall),
            f1=_number_or_none(f1),
            roc_auc=_number_or_none(_area_under_curve(truth, probabilities, label)),
            thresholds=find_thresholds(truth == label, probabilities[:, label]),
        )
        for label, (name, precision, recall, f1, rows) in enumerate(zip(names, *scores, strict=True))
    ]


def find_thresholds(positive: npt.NDArray[np.bool_], probabilities: Probabilities) -> list[dict[Any, Any]]:
    """Return ``SHOWN_THRESHOLDS`` points of the precision-recall curve of a class, and that of the highest F1."""
    from sklearn.metrics import precision_recall_curve

    if not positive.any():
        return []
    precisions, recalls, thresholds = precision_recall_curve(positive, probabilities)
    points = pd.DataFrame({"probability": thresholds, "precision": precisions[:-1], "recall": recalls[:-1]})
    points["f1"] = (2 * points["precision"] * points["recall"] / (points["precision"] + points["recall"])).fillna(0.0)
    steps = np.linspace(0, len(points) - 1, SHOWN_THRESHOLDS).round().astype(int)
    return points.iloc[np.union1d(steps, points["f1"].argmax())].to_dict("records")


def measure_calibration(right: npt.NDArray[np.bool_], confidence: "pd.Series[float]") -> list[dict[Any, Any]]:
    """Compare the probabilities of predicted classes with the share of correct predictions, in bins of equal widths."""
    rows = pd.DataFrame({"probability": confidence, "accuracy": right})
    edges = np.linspace(0, 1, CALIBRATION_BINS + 1).tolist()
    bins = rows.groupby(pd.cut(rows["probability"], edges, include_lowest=True), observed=True)
    return bins.mean().assign(rows=bins.size()).to_dict("records")


def show_rows(test: pd.DataFrame, matched: pd.DataFrame, shown: "pd.Series[float]") -> list[dict[Any, Any]]:
    """Return the id, target, prediction and features of some rows, and the named value for which they are shown."""
    rows = test.iloc[shown.index]
    features = rows[PreprocessedSchema.feature_columns()]
    # JSON has neither timestamps nor NaN.
    as_text = dict.fromkeys(features.select_dtypes("datetime").columns, "str")
    values = features.astype(as_text).astype(object).where(features.notna(), None).to_dict("records")
    made = {"id": rows[PreprocessedSchema.id_column()].array, "target": rows[PreprocessedSchema.target_column()].array}
    made |= {"pred": matched[PredictionSchema.target_column()][shown.index].array}
    made |= {str(shown.name): shown.array, "features": values}
    if (reasons := matched.filter(regex=r"^reason_\d+$").iloc[shown.index]).size:
        made["reasons"] = reasons.to_numpy().tolist()
    return pd.DataFrame(made).to_dict("records")


def _area_under_curve(truth: Codes, probabilities: Probabilities, label: int) -> float:
    """Return the area under the ROC curve of one class against the rest; NaN without rows of both."""
    from sklearn.metrics import roc_auc_score

    positive = truth == label
    return roc_auc_score(positive, probabilities[:, label]) if positive.any() and not positive.all() else np.nan


def _number_or_none(value: Any) -> float | None:
    return None if np.isnan(value) else float(value)


class Quality:
    """The figures of a model, by the kind of its target."""

    figure: str  # by which models are known and compared
    constant: str  # what a model has to beat
    another: str  # a figure to require if it cannot

    @classmethod
    def find_baseline_failures(cls, document: Any) -> list[str]:
        """Return a sentence if the figure of a model, in its metrics, is not better than that of a constant."""
        if (p_value := document["baseline_p_value"]) < 1 - CONFIDENCE:
            return []
        value, baseline = (document[part][cls.figure] for part in ("model", "baseline"))
        compared = f"the {cls.figure} {value:.4g} is not better than that of the {cls.constant}, {baseline:.4g},"
        advice = f"add features or rows, or set require_better=false and require another figure, such as {cls.another}"
        return [f"{compared} with {CONFIDENCE:.0%} confidence (p = {p_value:.2g}; {advice})"]


class ClassQuality(Quality):
    """The figures of a model that predicts classes."""

    figure, constant, another = "accuracy", "most frequent class", "balanced_accuracy"
    scores = metrics.Scores
    require_acc, require = 0.9, ""  # what the gate requires if nothing is set
    score_labels = staticmethod(score_labels)

    @staticmethod
    def rate(raw: Probabilities, truth: Codes, model: Booster) -> float:
        """Return the accuracy of what a model predicts; scikit-learn's accuracy_score would take longer than that."""
        return float((decide(raw, get_kept(model, "decision")) == truth).mean())

    @staticmethod
    def measure(
        common: metrics.Common, model: Booster, matched: pd.DataFrame, _: pd.DataFrame, test: pd.DataFrame
    ) -> metrics.ClassMetrics:
        """Complete the document about a model, given its predictions of the test rows in their order."""
        from sklearn.metrics import confusion_matrix

        truth, predicted = encode_target(PreprocessedSchema, test).to_numpy(), encode_target(PredictionSchema, matched)
        probabilities, codes = matched[PredictionSchema.probability_columns()].to_numpy(), predicted.to_numpy()
        found, groups = score(truth, codes, probabilities), test.get(PreprocessedSchema.group_column())
        confidence = pd.Series(probabilities[np.arange(len(test)), codes], name="probability")
        return metrics.ClassMetrics(
            **common,
            baseline_p_value=compare_with_baseline(truth, codes, groups),
            model=found,
            baseline=score_baseline(truth, probabilities.shape[1]),
            accuracy_interval=make_interval(found["accuracy"], count_effective_rows(truth == codes, groups)),
            classes=score_classes(truth, codes, probabilities),
            decision=get_kept(model, "decision"),
            confusion_matrix=confusion_matrix(truth, codes, labels=range(probabilities.shape[1])).tolist(),
            calibration=measure_calibration(truth == codes, confidence),
            most_confidently_wrong=show_rows(test, matched, confidence[truth != codes].nlargest(SHOWN_ROWS)),
        )
