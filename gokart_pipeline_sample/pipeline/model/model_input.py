"""The features of a table, as the model sees them."""

from __future__ import annotations

from typing import Any

import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_categories
from gokart_pipeline_sample.pipeline.fitted_features import FITTED_FEATURES
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema


def select_features(data: DataFrame[PreprocessedSchema], fitted: dict[str, Any]) -> pd.DataFrame:
    """Return the features of any rows, with those that were fitted on the training rows.

    Args:
        data: the rows.
        fitted: the output of FitFeaturesTask.

    Returns:
        The features in the order of their schema; see :meth:`BaseSchema.select_features`.

    Raises:
        pandera.errors.SchemaErrors: the rows or the features break their schema.
    """
    if FITTED_FEATURES is None:
        return PreprocessedSchema.select_features(data)
    schema = FITTED_FEATURES.schema
    return schema.select_features(schema.validate(FITTED_FEATURES.add(data, fitted), lazy=True))


def open_text_columns() -> list[str]:
    """Return the names of the text features of the model whose values no schema lists."""
    return (FITTED_FEATURES.schema if FITTED_FEATURES else PreprocessedSchema).open_text_columns()


def count_unseen(model: Booster, features: pd.DataFrame) -> dict[str, pd.Series[int]]:
    """Count the values of open text features that no training row has; the model takes them for missing ones.

    Args:
        model: the model.
        features: the features of any rows.

    Returns:
        The number of rows by value, for each feature that has such values.
    """
    names = open_text_columns()
    if not names:
        return {}
    known = get_categories(model, features)
    unseen = {name: features[name][~features[name].isin(known[name])].astype("str").value_counts() for name in names}
    return {name: counts for name, counts in unseen.items() if len(counts)}
