"""Train a LightGBM model."""

from __future__ import annotations

import math
import re
from concurrent.futures import CancelledError
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.io.lightgbm_model import Booster, keep
from gokart_pipeline_sample.io.threads import call_interruptibly, count_threads
from gokart_pipeline_sample.pipeline.model.model_input import Rows, encode_target, select_features
from gokart_pipeline_sample.pipeline.model.target import DETERMINISTIC, TARGET
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.progress import showing_progress

if TYPE_CHECKING:
    from lightgbm import Dataset


def boost(train: Dataset, valid: Dataset, num_boost_round: int, parameters: dict[str, Any]) -> Booster:
    """Add trees until the loss of the validation rows stops falling; see :meth:`TrainTask.fit`."""
    import lightgbm as lgb

    curve: dict[str, dict[str, list[float]]] = {}
    threads = count_threads(parameters.pop("threads", 0), cast("pd.DataFrame", train.data).size)
    patience = 0 if parameters.get("boosting") == "dart" else parameters.get("early_stopping_rounds", 0)
    rule = f"stops {patience} rounds after the best, " * (patience > 0) + f"at most {num_boost_round:,}"
    best = (math.inf, 0)

    def tell_round(env: Any) -> None:
        nonlocal best
        if bar.disable:  # It is closed: an interrupt has ended the wait for this thread.
            raise CancelledError
        best = min(best, (env.evaluation_result_list[-1][2], env.iteration + 1))  # the loss of the validation rows
        bar.set_postfix_str(f"best {best[1]:,} with loss {best[0]:.4g}, {rule}", refresh=False)
        bar.update()

    with showing_progress("trained", None, "rounds") as bar:
        try:
            booster: Booster = call_interruptibly(
                threads,
                lgb.train,
                {**parameters, **DETERMINISTIC, **TARGET.parameters},
                train,
                num_boost_round,
                valid_sets=[train, valid],
                valid_names=["train", "valid"],
                callbacks=[lgb.record_evaluation(curve), tell_round],
            )
        except lgb.basic.LightGBMError as error:
            if broken := re.match(r"Check failed: ((?!\(label).*) at ", str(error)):
                raise SettingError(f"LightGBM refuses a parameter of TrainTask: it needs {broken[1]}") from None
            raise
    if not booster.feature_importance("split").any():
        least = parameters.get("min_data_in_leaf", 20)
        problem = f"no feature splits the {train.num_data()} training rows, {least} to a side"
        raise ValueError(f"{problem}: add features or rows")
    # The last digits depend on the number of threads, unlike the model.
    rounded = {
        rows: {loss: [float(f"{value:.8g}") for value in values] for loss, values in losses.items()}
        for rows, losses in curve.items()
    }
    keep(booster, "learning_curve", rounded)
    return booster


def make_datasets(train: Rows, valid: Rows, fitted: dict[str, Any], class_weight: str) -> tuple[Dataset, Dataset]:
    """Return LightGBM's datasets of the training and the validation rows, which have their target.

    The class weight "balanced" gives each class of the training rows the same total weight, as in scikit-learn:
    https://scikit-learn.org/stable/modules/generated/sklearn.utils.class_weight.compute_class_weight.html
    """
    import lightgbm as lgb

    targets = [encode_target(PreprocessedSchema, rows).to_numpy() for rows in (train, valid)]
    weights = None
    if class_weight == "balanced":
        if PreprocessedSchema.predicts_number():
            raise SettingError("class_weight is about classes, and the target is a number: set it to none")
        from sklearn.utils.class_weight import compute_class_weight

        # A class without training rows gets the weight 1.
        present, weights = np.unique(targets[0]), np.ones(len(PreprocessedSchema.target_classes()))
        weights[present] = compute_class_weight("balanced", classes=present, y=targets[0])
    datasets = []
    for rows, target in zip((train, valid), targets, strict=True):
        features = select_features(rows, fitted)
        if features.columns.empty:
            raise ValueError("the model has no feature: declare a column beside the id and the target")
        features.columns = pd.Index(name_features(list(features.columns)))
        datasets.append(lgb.Dataset(features, label=target, weight=None if weights is None else weights[target]))
    return datasets[0], datasets[1]


def name_features(columns: list[str]) -> list[str]:
    """Return names that LightGBM accepts: not empty, unique, without white space, NUL and the punctuation of JSON."""
    names = [re.sub(r'[\s\0",:\[\]{}]', "_", column) or "_" for column in columns]
    return names if len(set(names)) == len(names) else [f"{name}_{place}" for place, name in enumerate(names)]
