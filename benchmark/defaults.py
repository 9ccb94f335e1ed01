"""Compare the default parameters of TrainTask with those of the talk, on tables of many kinds, as a table in Markdown.

python benchmark/defaults.py [JSON ...]     (make bench-defaults; about ten minutes)

Each table is split and trained on three times, by other seeds. A cell has the mean loss and accuracy of the test rows,
the mean number of rounds that the model keeps, and the highest validation loss of all, in multiples of the first one: 1
if it never rises far above that. Parameters of LightGBM in JSON, such as '{"lambda_l2": 5}', add a column each.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
import pandas as pd
from environment import PROJECT
from sklearn import datasets
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split

from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.model.target import DETERMINISTIC, TARGET
from gokart_pipeline_sample.pipeline.train import TrainTask

sys.path.append(str(PROJECT / "test"))
from support import judged_tables

SEEDS = (42, 1, 2)
TALK = {"min_sum_hessian_in_leaf": 0.001}
Table = tuple[pd.DataFrame, "pd.Series[int]"]


class Figures(NamedTuple):
    """Figures of a training."""

    loss: float
    accuracy: float
    kept: int
    highest: float  # validation loss, in multiples of that of the first round


def take(data: pd.DataFrame, target: str = "target", id_column: str = "id") -> Table:
    """Return the features and the numbers of the classes."""
    features = data.drop(columns=[target, id_column], errors="ignore")
    texts = dict.fromkeys(features.select_dtypes("str"), "category")
    return features.astype(texts), pd.Series(pd.factorize(data[target], sort=True)[0], data.index)


def bundled(load: Callable[..., Any]) -> Table:
    """Return a table of scikit-learn."""
    return take(load(as_frame=True).frame)


def make_up(rows: int, **options: Any) -> Table:
    """Make up a table of 20 features."""
    features, target = datasets.make_classification(rows, 20, **options)
    return pd.DataFrame(features), pd.Series(target)


def make_noise() -> Table:
    """Make up 2,000 rows whose features tell nothing."""
    generator = np.random.default_rng(1)
    return pd.DataFrame(generator.normal(size=(2000, 10))), pd.Series(generator.integers(0, 3, 2000))


TABLES: dict[str, Callable[[], Table]] = {
    "iris": lambda: bundled(datasets.load_iris),
    "penguins": lambda: take(pd.read_csv(PROJECT / "examples/penguins/penguins.csv").dropna(subset=["sex"]), "sex"),
    "wine": lambda: bundled(datasets.load_wine),
    "breast cancer": lambda: bundled(datasets.load_breast_cancer),
    "60 rows of it": lambda: take(datasets.load_breast_cancer(as_frame=True).frame.sample(60, random_state=3)),
    "digits": lambda: bundled(datasets.load_digits),
    "noise": make_noise,
    "wide, 40 uneven classes": lambda: take(judged_tables.make_wide()),
    "fraud, 2.7 %": lambda: take(judged_tables.make_fraud()),
    "a rare class, 1 %": lambda: make_up(20_000, n_informative=6, weights=[0.99], class_sep=1.5, random_state=2),
    "three classes, overlapping": lambda: take(judged_tables.make_drifting()),
    "customers of ten rows": lambda: take(judged_tables.make_grouped()),
    "30,000 rows": lambda: make_up(30_000, n_informative=8, n_classes=3, random_state=1),
}


def train(table: Table, parameters: dict[str, Any], seed: int) -> Figures:
    """Split a table, train on it, and return the figures of its test rows."""
    classes = int(table[1].max()) + 1
    rest, x_test, rest_y, y_test = train_test_split(*table, test_size=0.2, random_state=seed)
    x_train, x_valid, y_train, y_valid = train_test_split(rest, rest_y, test_size=0.2, random_state=seed)
    rows, curve = lgb.Dataset(x_train, y_train), dict[str, Any]()
    rounds = parameters.pop("num_boost_round")
    model = lgb.train(
        {**parameters, **DETERMINISTIC, **TARGET.parameters, "num_class": classes},
        rows,
        rounds,
        [lgb.Dataset(x_valid, y_valid, reference=rows)],
        callbacks=[lgb.record_evaluation(curve)],
    )
    losses = curve["valid_0"]["multi_logloss"]
    probabilities = np.asarray(model.predict(x_test))
    loss = log_loss(y_test, probabilities, labels=range(classes))
    accuracy = float((probabilities.argmax(axis=1) == y_test).mean())
    return Figures(float(loss), accuracy, model.best_iteration, max(losses) / losses[0])


def main(*given: str) -> None:
    """Print the table, row by row."""
    defaults = TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask()).plain_parameters()
    own = ("class_weight", "decision", "interval", "lightgbm")
    defaults = {name: value for name, value in defaults.items() if name not in own}
    columns = {"the talk's": TALK, "default": {}, **{text: json.loads(text) for text in given}}
    print_row("table", *columns)
    print_row(*["---"] * (len(columns) + 1))
    for name, make in TABLES.items():
        table, cells = make(), []
        for changed in columns.values():
            trained = [train(table, {**defaults, **changed}, seed) for seed in SEEDS]
            loss, accuracy, kept, _ = map(statistics.mean, zip(*trained, strict=True))
            highest = max(each.highest for each in trained)
            cells.append(f"{loss:.4f} / {accuracy:.3f} / {int(kept)} / {highest:.0f}")
        print_row(name, *cells)


def print_row(*cells: str) -> None:
    """Print a row of a table in Markdown."""
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
