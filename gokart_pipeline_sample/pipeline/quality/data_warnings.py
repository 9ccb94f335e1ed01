"""Warnings about training and test rows, as a data scientist would give them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_fitted
from gokart_pipeline_sample.pipeline.model.model_input import count_unseen, encode_target, select_features
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

# Fewer test rows of a class say little about it.
FEW_ROWS = 30
# A feature whose area under the ROC curve is higher, alone, is probably made from the target.
GIVES_AWAY = 0.999
BINS = 32
# More rows would hardly change the area.
EXAMINED_ROWS = 100_000
SHOWN_NAMES = 10


def find_warnings(
    train: DataFrame[PreprocessedSchema], test: DataFrame[PreprocessedSchema], model: Booster
) -> list[str]:
    """Return a sentence for each kind of trouble that is found, with the columns or classes that it is about.

    Args:
        train: the training rows, with their target.
        test: the test rows, with their target.
        model: the model of these training rows.
    """
    features, tested = (select_features(rows, get_fitted(model)) for rows in (train, test))
    unseen = {name: int(counts.sum()) for name, counts in count_unseen(model, tested).items()}
    found = {
        "features with the same value in all training rows": find_constants(features),
        "features that are missing in more than half of the training rows": find_missing(features),
        "features that alone give the target away": find_leaks(features, train, tested, test),
        "features with values in test rows that no training row has": _count(unseen),
        f"classes with fewer than {FEW_ROWS} test rows, so that their scores are uncertain": find_rare_classes(test),
    }
    warnings = [f"{trouble}: {shorten(names)}" for trouble, names in found.items() if names]
    copies = count_copies(features, tested)
    if copies:
        warnings.append(f"test rows with the same features as a training row: {copies:,} of {len(test):,}")
    return warnings


def find_constants(features: pd.DataFrame) -> list[str]:
    """Return the names of the features with at most one value, missing ones aside."""
    return [str(name) for name, column in features.items() if column.nunique() <= 1]


def find_missing(features: pd.DataFrame) -> list[str]:
    """Return the names and the missing percentage of the features of which more than half are missing."""
    shares = features.isna().mean()
    return [f"{name} ({share:.0%})" for name, share in shares[shares > 0.5].items()]


def find_rare_classes(test: DataFrame[PreprocessedSchema]) -> list[str]:
    """Return the names of the classes with fewer than ``FEW_ROWS`` test rows, and how many they have."""
    counts = test[PreprocessedSchema.target_column()].value_counts().reindex(PreprocessedSchema.target_classes())
    return _count({str(name): int(rows) for name, rows in counts.fillna(0).items() if rows < FEW_ROWS})


def find_leaks(
    features: pd.DataFrame,
    train: DataFrame[PreprocessedSchema],
    tested: pd.DataFrame,
    test: DataFrame[PreprocessedSchema],
) -> list[str]:
    """Return the features that predict the target of the test rows alone, and the area under their ROC curve.

    A feature predicts the shares of the classes among the training rows of the same category, or of the same of
    ``BINS`` ranges of its values with about as many rows each.

    Args:
        features: features of the training rows.
        train: the training rows.
        tested: features of the test rows.
        test: the test rows; with fewer than ``FEW_ROWS`` of each of two classes, nothing can be found.
    """
    from sklearn.metrics import roc_auc_score

    truth, tested_truth = (encode_target(PreprocessedSchema, rows)[:EXAMINED_ROWS] for rows in (train, test))
    counts = tested_truth.value_counts()
    classes = [label for label, rows in counts.items() if FEW_ROWS <= rows < len(tested_truth)]
    if len(counts) < 2 or not classes:
        return []
    found = []
    is_class = pd.DataFrame({label: truth == label for label in classes})
    for name, column in features[:EXAMINED_ROWS].items():
        groups, tested_groups = _group(column, tested[name][:EXAMINED_ROWS])
        shares = is_class.groupby(groups.to_numpy()).mean()
        predicted = shares.reindex(tested_groups).fillna(shares.mean()).to_numpy()
        areas = [roc_auc_score(tested_truth == label, predicted[:, place]) for place, label in enumerate(classes)]
        if np.mean(areas) > GIVES_AWAY:
            found.append(f"{name} ({np.mean(areas):.4f})")
    return found


def count_copies(features: pd.DataFrame, tested: pd.DataFrame) -> int:
    """Return the number of test rows whose features equal those of a training row."""
    hashes = (
        pd.util.hash_pandas_object(
            rows.astype(dict.fromkeys(rows.columns[rows.dtypes == "category"], "str")), index=False
        )
        for rows in (tested, features)
    )
    return int(next(hashes).isin(next(hashes)).sum())


def _group(column: pd.Series[Any], tested: pd.Series[Any]) -> tuple[pd.Series[Any], pd.Series[Any]]:
    """Return the group of each training and test row; -1 is that of missing values."""
    if column.dtype == "category":
        known = tested.cat.set_categories(column.cat.categories)
        return column.cat.codes, known.cat.codes
    edges = column.astype(float).quantile(np.linspace(0, 1, BINS + 1)[1:-1]).dropna().unique()
    train_groups, test_groups = (
        pd.cut(rows.astype(float), [-np.inf, *edges, np.inf]).cat.codes for rows in (column, tested)
    )
    return train_groups, test_groups


def _count(rows: dict[str, int]) -> list[str]:
    return [f"{name} ({count:,})" for name, count in rows.items()]


def shorten(names: list[str], separator: str = ", ") -> str:
    """Join names, the first ``SHOWN_NAMES`` of them; tell the number of the others."""
    rest = len(names) - SHOWN_NAMES
    return separator.join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
