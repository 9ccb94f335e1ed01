"""Projects whose target is a number, and the right answer, computed in a few lines that share nothing with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from support.checkout import Checkout

INTERVAL = ("--gokart-pipeline-sample.TrainTask-interval", "0.9")
PARAMETERS = {
    "objective": "regression", "num_leaves": 31, "feature_fraction": 0.5, "bagging_fraction": 0.5, "bagging_freq": 20,
    "min_sum_hessian_in_leaf": 0.1, "learning_rate": 0.05, "seed": 42, "early_stopping_rounds": 100,
    "deterministic": True, "force_row_wise": True, "verbosity": -1, "num_threads": 1,
}  # fmt: skip


def make_diabetes() -> pd.DataFrame:
    """Return 442 patients, whose ``target`` is how far their diabetes goes on within a year."""
    return load_diabetes(as_frame=True).frame.rename_axis(index="id").reset_index()


def make_numbers(rows: int = 400, noise: float = 0.5, seed: int = 0) -> pd.DataFrame:
    """Make rows whose ``target`` three features tell, but for the noise."""
    generator = np.random.default_rng(seed)
    data = pd.DataFrame(generator.normal(size=(rows, 3)).round(3), columns=["x0", "x1", "x2"])
    target = 3 * data["x0"] + data["x1"] * data["x2"] + noise * generator.normal(size=rows)
    data.insert(0, "id", np.arange(rows) * 3 + 2)
    return data.assign(target=(target + 20).round(3))


def train_plainly(table: pd.DataFrame) -> tuple[lgb.Booster, pd.DataFrame]:
    """Train as the pipeline is to; return the model and the test rows."""
    features = table.columns.drop(["id", "target"])
    rest, test = train_test_split(table, test_size=0.2, random_state=42)
    learned, valid = train_test_split(rest, test_size=0.2, random_state=42)
    datasets = [lgb.Dataset(rows[features], rows["target"]) for rows in (learned, valid)]
    return lgb.train(PARAMETERS, datasets[0], 5000, datasets, ["train", "valid"]), test


def adopt(checkout: Checkout, data: pd.DataFrame, *options: str, suffix: str = "parquet") -> None:
    """Make a table that of a project, by the command that users give."""
    path = checkout.directory / f"numbers.{suffix}"
    data.to_parquet(path, index=False) if suffix == "parquet" else data.to_csv(path, index=False)
    adopted = checkout.main("--new-table", path.name, "--id", "id", "--target", "target", "--yes", *options)
    assert adopted.exit_code == 0, adopted.stderr


def read_newest(checkout: Checkout, pattern: str) -> Any:
    """Read the newest file of the workspace whose name fits: JSON, or Parquet."""
    path = max(checkout.workspace.glob(pattern), key=get_time)
    return pd.read_parquet(path) if path.suffix == ".parquet" else json.loads(path.read_bytes())


def get_time(path: Path) -> int:
    """Return when a file was written."""
    return path.stat().st_mtime_ns
