"""The features that contribute most to each prediction."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def name_reasons(contributions: Any, names: pd.Index[str], count: int) -> dict[str, Any]:
    """Return so many columns ``reason_1`` and so on of text such as ``petal_length +1.23``, or one for each feature.

    The greatest contributions, by row and feature, come first, whatever their sign; equal ones in the order of names.
    """
    order = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :count].T
    pairs = (zip(names[place], contributions[np.arange(len(place)), place] + 0.0, strict=True) for place in order)
    texts = (pd.array([f"{name} {value:+.3g}" for name, value in each], dtype="str") for each in pairs)
    return {f"reason_{number}": column for number, column in enumerate(texts, 1)}
