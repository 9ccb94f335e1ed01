"""The right answer, computed in a few lines that share nothing with the pipeline."""

from __future__ import annotations

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width", "petal_area"]
PARAMETERS = {
    "objective": "multiclass", "metric": "multi_logloss", "num_class": 3, "num_leaves": 31, "feature_fraction": 0.5,
    "bagging_fraction": 0.5, "bagging_freq": 20, "learning_rate": 0.05, "seed": 42, "early_stopping_rounds": 100,
    "min_sum_hessian_in_leaf": 0.1, "deterministic": True, "force_row_wise": True, "verbosity": -1, "num_threads": 1,
}  # fmt: skip


def make_noisy_table(rows: int = 300, seed: int = 1) -> pd.DataFrame:
    """Make up flowers whose class is hard to tell: another model, or another split, predicts other rows."""
    generator = np.random.default_rng(seed)
    target = generator.integers(0, 3, rows)
    lengths = {name: (generator.normal(3, 1, rows) + target * 0.8).clip(0.1).round(3) for name in FEATURES[:4]}
    return pd.DataFrame({"id": np.arange(rows) * 7 + 3, **lengths, "target": target})


def train(table: pd.DataFrame) -> tuple[lgb.Booster, pd.DataFrame]:
    """Train as the pipeline is to; return the model and the test rows."""
    data = table.assign(petal_area=table["petal_length"] * table["petal_width"])
    rest, test = train_test_split(data, test_size=0.2, random_state=42)
    learned, valid = train_test_split(rest, test_size=0.2, random_state=42)
    datasets = [lgb.Dataset(rows[FEATURES], rows["target"]) for rows in (learned, valid)]
    return lgb.train(PARAMETERS, datasets[0], 5000, datasets, ["train", "valid"]), test


def predict(model: lgb.Booster, rows: pd.DataFrame) -> pd.DataFrame:
    """Predict rows: ``id`` and ``pred``."""
    data = rows.assign(petal_area=rows["petal_length"] * rows["petal_width"])
    return pd.DataFrame({"id": rows["id"].to_numpy(), "pred": model.predict(data[FEATURES]).argmax(axis=1)})
