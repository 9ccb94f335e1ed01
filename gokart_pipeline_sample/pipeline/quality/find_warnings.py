"""Warnings about a model, and about its training and test rows, as a data scientist would give them."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.pipeline.model.model_input import Rows, count_unseen, encode_target, select_features
from gokart_pipeline_sample.pipeline.quality import number_scores
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.quality.metrics import ClassMetrics, Metrics
from gokart_pipeline_sample.pipeline.schemas.base import column_roles
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

DIVERGED = 2.0  # times the validation loss after the first round: so high a loss is worse than knowing nothing
FEW_ROUNDS = 10
FEW_ROWS = 30  # fewer test rows of a class say little about it
GIVES_AWAY = 0.999  # a feature whose area under the ROC curve is higher, alone, is probably made from the target
EXAMINED_ROWS = 20_000  # more would hardly change the area
MOST_CATEGORIES, EXCEPTIONS = 20, 0.01  # the latter of the rows that would differ by chance
REPEATED, GROUP_ROWS = 5, 20  # fewer rows of a value or of a range say little about it
SHOWN_NAMES = 10

Numbers = npt.NDArray[Any]


def find_model_warnings(metrics: Metrics, patience: int) -> list[str]:
    """Return a sentence for each sign that a training went wrong, or that its model is of no use, and what to do.

    The patience is that of early stopping, in rounds; 0 or less if there was none.
    """
    losses, kept = metrics["learning_curve"]["valid"], metrics["learning_curve"]["model_rounds"]
    highest, after, warnings = max(losses[kept - 1 :]), len(losses) - kept, []
    if highest > DIVERGED * losses[0]:
        risen = f"the validation loss diverged: after round {kept} it rose from {losses[kept - 1]:.4g} to {highest:.4g}"
        warnings.append(f'{risen}: set a higher min_sum_hessian_in_leaf, or lightgbm={{"lambda_l2": 5}}, of TrainTask')
    if kept < FEW_ROUNDS and after >= patience > 0:
        warnings.append(f"the model keeps {kept} of {len(losses)} rounds: add features or rows, or lower learning_rate")
    if after < patience:
        stopped = f"training stopped at num_boost_round={len(losses)}, before early stopping could end it"
        warnings.append(f"{stopped}: set a higher num_boost_round or learning_rate of TrainTask")
    if not PreprocessedSchema.predicts_number():
        document = cast("ClassMetrics", metrics)
        classes = zip(document["classes"], np.sum(document["confusion_matrix"], axis=0), strict=True)
        if never := [f"{each['name']} ({each['rows']})" for each, rows in classes if each["rows"] and not rows]:
            problem = f"classes with test rows that the model never predicts: {shorten(never)}"
            warnings.append(f"{problem}: set class_weight=balanced of TrainTask, or add rows of them")
    return [*warnings, *QUALITY.find_baseline_failures(metrics)]


def find_warnings(train: Rows, test: Rows, model: Booster) -> list[str]:
    """Return a sentence for each kind of trouble that is found, with the columns or classes that it is about."""
    features, tested = (select_features(rows, get_kept(model, "fitted_features")) for rows in (train, test))
    constant = features.columns[features[:EXAMINED_ROWS].nunique() <= 1]  # of the first rows; then of all
    constant = constant[features[constant].nunique() <= 1]
    missing, unseen = features.isna().mean(), count_unseen(model, tested)
    target = test[PreprocessedSchema.target_column()]
    classes = pd.Series({name: (target == name).sum() for name in PreprocessedSchema.target_classes()}, dtype=int)
    rare = [f"{name} ({rows})" for name, rows in classes[classes < FEW_ROWS].items()]
    found = {
        "features with the same value in all training rows": constant.tolist(),
        "features that are missing in more than half of the training rows": [
            f"{name} ({share:.0%})" for name, share in missing[missing > 0.5].items()
        ],
        "features that alone give the target away": find_leaks(features, train, tested, test),
        "columns with test rows of a value that has one target in training rows (metadata=GROUP tells rows that belong "
        "together, as of a customer, and new ones have worse scores)": find_groups(train, test),
        "features with values in test rows that no training row has": [
            f"{name} ({counts.sum():,})" for name, counts in unseen.items()
        ],
        f"classes with fewer than {FEW_ROWS} test rows, so that their scores are uncertain": rare,
    }
    warnings = [f"{trouble}: {shorten(names)}" for trouble, names in found.items() if names]
    known, new = (pd.util.hash_pandas_object(rows, index=False) for rows in (features, tested))
    if copies := new.isin(known).sum():
        warnings.append(f"test rows with the same features as a training row: {copies:,} of {len(test):,}")
    return warnings


def find_leaks(features: pd.DataFrame, train: pd.DataFrame, tested: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """Return the features that alone predict the target of the test rows, and how well.

    Each predicts by the shares of the classes, or the mean, of the training rows, ``features``, with about the same
    value, and is measured on the test rows, ``tested``: by the area under its ROC curve, or by R². Classes with fewer
    than ``FEW_ROWS`` test rows are passed over.
    """
    truth, tested_truth = (encode_target(PreprocessedSchema, rows)[:EXAMINED_ROWS].to_numpy() for rows in (train, test))
    features, tested = features[:EXAMINED_ROWS], tested[:EXAMINED_ROWS]
    if PreprocessedSchema.predicts_number():
        r2 = {name: rate_groups(truth, tested_truth, *group_values(features[name], tested[name])) for name in features}
        return [f"{name} (R² {value:.4f})" for name, value in r2.items() if value > GIVES_AWAY]
    classes = len(PreprocessedSchema.target_classes())
    rows = np.bincount(tested_truth, minlength=classes)
    judged = (rows >= FEW_ROWS) & (rows < len(tested_truth))
    if not judged.any():
        return []
    found = []
    for name in features:
        groups, tested_groups = group_values(features[name], tested[name])
        size = (max(groups.max(), tested_groups.max()) + 1, classes)
        learned, counts = (
            np.bincount(each * classes + labels, minlength=size[0] * classes).reshape(size)
            for each, labels in ((groups, truth), (tested_groups, tested_truth))
        )
        # One row more of each group, with the shares of all rows: a test row may have a value that no training row has.
        shares = (learned + learned.sum(axis=0) / len(truth)) / (learned.sum(axis=1, keepdims=True) + 1)
        area = measure_areas(shares[:, judged], counts[:, judged], counts.sum(axis=1, keepdims=True)).mean()
        if area > GIVES_AWAY:
            found.append(f"{name} ({area:.4f})")
    return found


def rate_groups(truth: Numbers, tested_truth: Numbers, groups: Numbers, tested_groups: Numbers) -> float:
    """Return R² of the means of the training rows by group, each with one row more that has the mean of all."""
    size = max(groups.max(), tested_groups.max()) + 1
    sums, rows = np.bincount(groups, truth, size) + truth.mean(), np.bincount(groups, minlength=size) + 1
    return number_scores.score(tested_truth, (sums / rows)[tested_groups])["r2"] or 0.0


def group_values(known: pd.Series[Any], new: pd.Series[Any]) -> list[Numbers]:
    """Return the number of the group of each value: a group for each value if they repeat, or else for a range."""
    if known.dtype == "category":
        codes = [rows.cat.set_categories(known.cat.categories).cat.codes.to_numpy(int) for rows in (known, new)]
        # Values that are missing or unknown are in the last group.
        return [np.where(each < 0, len(known.cat.categories), each) for each in codes]
    values = [rows.to_numpy(dtype=float) for rows in (known, new)]
    bounds = np.unique(values[0])
    if len(bounds) * REPEATED > len(known):
        bounds = np.unique(np.sort(values[0])[::GROUP_ROWS])
    # Missing values are in the last group, values below all bounds in the first one.
    return [np.searchsorted(np.unique([*bounds, np.nan])[1:], each, side="right") for each in values]


def measure_areas(shares: Numbers, counts: Numbers, rows: Numbers) -> Numbers:
    """Return the area under the ROC curve of each class, if each row is predicted by the share of its group.

    It is the chance that a row of the class is in a later group, by rising share, than another, half of it in the same
    one (Mann and Whitney, 1947). Shares and counts are by group and class, ``rows`` (a column) by group.
    """
    order = shares.argsort(axis=0, kind="stable")
    own, others = (np.take_along_axis(each, order, axis=0) for each in (counts, rows - counts))
    below = others.cumsum(axis=0) - others / 2
    return np.asarray((own * below).sum(axis=0) / (own.sum(axis=0) * others.sum(axis=0)))


def find_groups(train: Rows, test: Rows) -> list[str]:
    """Return the columns that decide the target and have the same values in both parts, and how many of these."""
    target, found = train[PreprocessedSchema.target_column()], []
    for name, role in column_roles(PreprocessedSchema.to_schema()).items():
        if role in ("feature", "kept") and name in train and decides_target(train[name], target):
            # The isin of a million texts takes seconds.
            shared = test[name][pd.Index(train[name].unique()).get_indexer(test[name]) >= 0].dropna()
            found += [f"{name} ({shared.nunique():,} values)"] * (len(shared) >= FEW_ROWS)
    return found


def decides_target(values: pd.Series[Any], target: pd.Series[Any]) -> bool:
    """Return whether many values have, in several rows, one class that the next value lacks: ids, not measurements."""
    head = values[:EXAMINED_ROWS]  # in more rows, values repeat the more often
    repeated = head[head.duplicated(keep=False) & head.notna()]
    codes, names = pd.factorize(repeated, sort=True)
    if len(names) <= MOST_CATEGORIES or 2 * len(repeated) * len(values) < len(head) ** 2:
        return False
    classes, known = pd.factorize(target[repeated.index])
    pairs = (np.unique(codes // width * len(known) + classes, return_counts=True) for width in (1, 2))
    others, by_chance = (sum(rows) - pd.Series(rows).groupby(pair // len(known)).max().sum() for pair, rows in pairs)
    return bool(FEW_ROWS <= by_chance >= others / EXCEPTIONS)


def shorten(names: list[str], separator: str = ", ") -> str:
    """Join names, the first ``SHOWN_NAMES`` of them; tell the number of the others."""
    rest = len(names) - SHOWN_NAMES
    return separator.join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
