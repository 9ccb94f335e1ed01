"""Rows to check."""

from __future__ import annotations

import pandas as pd
import pytest


@pytest.fixture
def fruits() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "key": ["a", "b", "c"],
            "color": ["red", None, "green"],
            "shape": ["long", "round", "round"],
            "weight": [1.0, None, 2.5],
            "number of seeds": [2**53 + 1, 0, 3],
            "label": ["ripe", "raw", "ripe"],
        }
    )
