"""The features and the target of a table, as the model sees them."""

from __future__ import annotations

from typing import Any, TypeAlias

import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_categories
from gokart_pipeline_sample.pipeline.fitted_features import FITTED_FEATURES
from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from gokart_pipeline_sample.pipeline.schemas.column_types import find_isin
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

Rows: TypeAlias = DataFrame[PreprocessedSchema]  # preprocessed, with or without a target
LARGEST = 1e145


def select_features(data: Rows, fitted: dict[str, Any]) -> pd.DataFrame:
    """Return the encoded features of rows, given what is fitted; raise a SchemaErrors if these break their schema."""
    if FITTED_FEATURES is None:
        return encode_features(PreprocessedSchema, data)
    schema = FITTED_FEATURES.schema
    return encode_features(schema, schema.validate(FITTED_FEATURES.add(data, fitted), lazy=True))


def encode_features(schema: type[BaseSchema], data: pd.DataFrame) -> pd.DataFrame:
    """Return only the feature columns of a schema, in the types that LightGBM takes.

    Text becomes categories: those of ``isin``, or the values that occur. A timestamp becomes the number of days since
    1970-01-01, and a nullable integer or boolean a float.
    """
    features = data[schema.feature_columns()]
    converted: dict[str, pd.Series[Any]] = {}
    for name, column in features.items():
        if column.dtype == "str":
            listed = find_isin(schema.to_schema().columns[name])
            converted[str(name)] = column.astype(pd.CategoricalDtype(listed) if listed else "category")
        elif column.dtype.kind == "M":
            converted[str(name)] = (column - pd.Timestamp(0)) / pd.Timedelta(days=1)
        elif column.dtype.kind not in "biuf" or isinstance(column.dtype, pd.api.extensions.ExtensionDtype):
            converted[str(name)] = column.astype(float)
    return features.assign(**converted) if converted else features


def encode_target(schema: type[BaseSchema], data: pd.DataFrame) -> pd.Series[Any]:
    """Return the number of the class of each row, as the model counts them, or a target that is a number as a float.

    A float is at most ``LARGEST``, so that a sum of squares is finite. Raise a SchemaErrors without a target.
    """
    schema.require_target(data)
    if schema.predicts_number():
        return data[schema.target_column()].astype(float).clip(-LARGEST, LARGEST)
    codes = pd.Categorical(data[schema.target_column()], categories=schema.target_classes()).codes
    return pd.Series(codes, index=data.index)


def count_unseen(model: Booster, features: pd.DataFrame) -> dict[str, pd.Series[int]]:
    """Count the values that no training row has, by open text feature; the model takes them for missing ones."""
    if not (names := (FITTED_FEATURES.schema if FITTED_FEATURES else PreprocessedSchema).open_text_columns()):
        return {}
    known = get_categories(model, features)
    unseen = {name: features[name][~features[name].isin(known[name])].astype("str").value_counts() for name in names}
    return {name: counts for name, counts in unseen.items() if len(counts)}
