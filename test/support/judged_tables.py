"""Tables whose models, or whose later rows, are worse than they look; each has an ``id`` and a ``target``."""

from __future__ import annotations

import numpy as np
import pandas as pd


def make_wide(classes: int = 40, features: int = 60, rarest: int = 8, seed: int = 0) -> pd.DataFrame:
    """Make 3,000 rows of uneven classes; a quarter of the features tell them apart.

    With LightGBM's own bounds on leaves, the loss of the validation rows diverges.
    """
    generator = np.random.default_rng(seed)
    counts = (np.geomspace(rarest, 900, classes) * 3000 / np.geomspace(rarest, 900, classes).sum()).round().astype(int)
    counts[0] = rarest
    target = np.repeat(np.arange(classes), counts)
    values = generator.normal(size=(len(target), features))
    informative = features // 4
    values[:, :informative] += generator.normal(scale=1.2, size=(classes, informative))[target]
    data = pd.DataFrame(values, columns=[f"x{number}" for number in range(features)]).assign(target=target)
    return _number(data.sample(frac=1, random_state=seed, ignore_index=True))


def make_fraud(rows: int = 20_000, seed: int = 0) -> pd.DataFrame:
    """Make payments of which 2.7 % are fraud (1), and few of these can be told from the others (0)."""
    generator = np.random.default_rng(seed)
    data = pd.DataFrame(generator.normal(size=(rows, 6)), columns=[f"x{number}" for number in range(6)])
    odds = -4.2 + 0.9 * data["x0"] + 0.7 * data["x1"] * (data["x2"] > 0)
    return _number(data.assign(target=(generator.random(rows) < 1 / (1 + np.exp(-odds))).astype(int)))


def make_drifting(rows: int = 3000, turn: float = 0.0, seed: int = 0) -> pd.DataFrame:
    """Make rows of three classes; a turn, from 0 to 1, moves the classes of this share of rows, and no feature."""
    generator = np.random.default_rng(seed)
    data = pd.DataFrame(generator.normal(size=(rows, 4)), columns=[f"x{number}" for number in range(4)])
    scores = np.column_stack([3 * data["x0"], 3 * data["x1"], 2 * data["x2"] - data["x3"]])
    target = (2 * scores + generator.gumbel(size=scores.shape)).argmax(axis=1)
    return _number(data.assign(target=np.where(generator.random(rows) < turn, (target + 1) % 3, target)))


def make_grouped(groups: int = 200, seed: int = 0) -> pd.DataFrame:
    """Make ten rows of each customer, who decides the target, and features that tell little of it."""
    generator = np.random.default_rng(seed)
    customer = np.repeat(np.arange(groups), 10)
    target = generator.integers(0, 2, groups)[customer]
    values = generator.normal(size=(len(customer), 3)) + 0.3 * target[:, None]
    data = pd.DataFrame(values, columns=["x0", "x1", "x2"]).assign(customer=customer * 7919 % 10_007, target=target)
    return _number(data.sample(frac=1, random_state=seed, ignore_index=True))


def _number(data: pd.DataFrame) -> pd.DataFrame:
    data.insert(0, "id", range(len(data)))
    return data
