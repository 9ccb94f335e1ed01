"""Predictions of made-up classes, and what is estimated by them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from gokart_pipeline_sample.pipeline.drift.estimate import AccuracyEstimator

PLAIN_MODEL: Any = SimpleNamespace()  # which keeps nothing
NO_FEATURES = pd.DataFrame()


def make_prediction(probabilities: Any) -> pd.DataFrame:
    """Make up predictions of the first class, of a probability each, which is at least that of another class."""
    probable = np.asarray(probabilities, dtype=float)
    columns = {"id": range(len(probable)), "pred": [0] * len(probable), "probability_0": probable}
    rest = (1 - probable) / 2
    return pd.DataFrame({**columns, "probability_1": rest, "probability_2": rest})


def fit_accuracy(confidence: Any, right: Any) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the accuracy of test rows, given how probable and whether right each prediction is, and what it fits."""
    truth = pd.Series(np.where(right, 0, 1))
    return AccuracyEstimator.fit(PLAIN_MODEL, NO_FEATURES, make_prediction(confidence), truth, truth)
