"""Warnings about training and test rows, as a data scientist would give them."""

import numpy as np
import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_fitted
from gokart_pipeline_sample.pipeline.model.model_input import count_unseen, encode_target, select_features
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

FEW_ROWS = 30  # fewer test rows of a class say little about it
GIVES_AWAY = 0.999  # a feature whose area under the ROC curve is higher, alone, is probably made from the target
LEAVES = 256
EXAMINED_ROWS = 20_000  # more would hardly change the area
SHOWN_NAMES = 10
LARGEST = np.finfo(np.float32).max


def find_warnings(
    train: DataFrame[PreprocessedSchema], test: DataFrame[PreprocessedSchema], model: Booster
) -> list[str]:
    """Return a sentence for each kind of trouble that is found, with the columns or classes that it is about."""
    features, tested = (select_features(rows, get_fitted(model)) for rows in (train, test))
    unseen = [f"{name} ({counts.sum():,})" for name, counts in count_unseen(model, tested).items()]
    found = {
        "features with the same value in all training rows": find_constants(features),
        "features that are missing in more than half of the training rows": find_missing(features),
        "features that alone give the target away": find_leaks(features, train, tested, test),
        "features with values in test rows that no training row has": unseen,
        f"classes with fewer than {FEW_ROWS} test rows, so that their scores are uncertain": find_rare_classes(test),
    }
    warnings = [f"{trouble}: {shorten(names)}" for trouble, names in found.items() if names]
    if copies := count_copies(features, tested):
        warnings.append(f"test rows with the same features as a training row: {copies:,} of {len(test):,}")
    return warnings


def find_constants(features: pd.DataFrame) -> list[str]:
    """Return the names of the features with at most one value, missing ones aside."""
    return features.columns[features.nunique() <= 1].tolist()


def find_missing(features: pd.DataFrame) -> list[str]:
    """Return the names and the missing percentage of the features of which more than half are missing."""
    shares = features.isna().mean()
    return [f"{name} ({share:.0%})" for name, share in shares[shares > 0.5].items()]


def find_rare_classes(test: DataFrame[PreprocessedSchema]) -> list[str]:
    """Return the names of the classes with fewer than ``FEW_ROWS`` test rows, and how many they have."""
    counts = test[PreprocessedSchema.target_column()].value_counts()
    counts = counts.reindex(PreprocessedSchema.target_classes(), fill_value=0)
    return [f"{name} ({rows})" for name, rows in counts[counts < FEW_ROWS].items()]


def find_leaks(features: pd.DataFrame, train: pd.DataFrame, tested: pd.DataFrame, test: pd.DataFrame) -> list[str]:
    """Return the features that alone predict the target of the test rows, and the area under their ROC curve.

    Each predicts by a tree of its own, learned from the ``features`` of the training rows and measured on those of the
    test rows, ``tested``. Classes with fewer than ``FEW_ROWS`` test rows are passed over.
    """
    from sklearn.metrics import roc_auc_score
    from sklearn.tree import DecisionTreeRegressor

    truth, tested_truth = (encode_target(PreprocessedSchema, rows)[:EXAMINED_ROWS] for rows in (train, test))
    counts = tested_truth.value_counts()
    classes = counts[(counts >= FEW_ROWS) & (counts < len(tested_truth))].index.to_numpy()
    if not len(classes):
        return []
    is_class, tested_is_class = (labels.to_numpy()[:, None] == classes for labels in (truth, tested_truth))
    found = []
    for name in features:
        known, new = (rows[name][:EXAMINED_ROWS] for rows in (features, tested))
        if known.dtype == "category":
            known, new = known.cat.codes, new.cat.set_categories(known.cat.categories).cat.codes
        # A tree takes no number that has more than 32 bits.
        known, new = (np.clip(rows.to_numpy(dtype=float)[:, None], -LARGEST, LARGEST) for rows in (known, new))
        tree = DecisionTreeRegressor(max_leaf_nodes=LEAVES, random_state=0).fit(known, is_class)
        area = roc_auc_score(tested_is_class, tree.predict(new).reshape(tested_is_class.shape))
        if area > GIVES_AWAY:
            found.append(f"{name} ({area:.4f})")
    return found


def count_copies(features: pd.DataFrame, tested: pd.DataFrame) -> int:
    """Return the number of test rows whose features equal those of a training row."""
    known, new = (pd.util.hash_pandas_object(rows, index=False) for rows in (features, tested))
    return int(new.isin(known).sum())


def shorten(names: list[str], separator: str = ", ") -> str:
    """Join names, the first ``SHOWN_NAMES`` of them; tell the number of the others."""
    rest = len(names) - SHOWN_NAMES
    return separator.join(names[:SHOWN_NAMES]) + (f" and {rest} more" if rest > 0 else "")
