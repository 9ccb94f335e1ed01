"""Features that are fitted on the training rows, such as medians, frequencies or means of the target.

Iris needs none. To add yours, write two functions and a schema in this file, and name them in ``FITTED_FEATURES``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema


class FittedFeatures(NamedTuple):
    """How features are fitted and added."""

    # Returns what is to be known of the training rows, a ``PreprocessedSchema`` frame with its target, as a dictionary
    # that JSON can represent. It is called once, and sees no other rows.
    fit: Callable[[pd.DataFrame], dict[str, Any]]
    # Returns rows with their features, from the rows and the dictionary. It must treat each row alone, because rows
    # come in chunks of any size, with or without a target.
    add: Callable[[pd.DataFrame, dict[str, Any]], pd.DataFrame]
    schema: type[PreprocessedSchema]  # of the rows that ``add`` returns


FITTED_FEATURES: FittedFeatures | None = None
