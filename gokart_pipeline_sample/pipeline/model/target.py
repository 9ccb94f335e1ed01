"""The part of a model that depends on the kind of its target: a class, of which the schema lists a few, or a number."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import luigi
import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept, keep, predict_raw
from gokart_pipeline_sample.io.threads import call_interruptibly, count_threads
from gokart_pipeline_sample.pipeline.model.decision import ARGMAX, choose_threshold, decide
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

# The same for any number of threads: https://lightgbm.readthedocs.io/en/stable/Parameters.html#deterministic
DETERMINISTIC: dict[str, Any] = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
ERROR_MODEL = {"num_leaves": 15, "min_data_in_leaf": 50, "learning_rate": 0.1, "seed": 42}
ERROR_ROUNDS = 50
SMALLEST, LARGEST = 2.0**-149, float(np.finfo(np.float32).max)  # LightGBM keeps targets as such numbers.

Numbers = npt.NDArray[Any]


class ClassTarget:
    """A class; LightGBM predicts the probability of each."""

    objectives = ("multiclass",)
    parameters: ClassVar = {"metric": "multi_logloss", "num_class": len(PreprocessedSchema.target_classes())}

    @staticmethod
    def check(target: Numbers, objective: str) -> None:
        """Accept all classes: schemas have checked them."""

    @staticmethod
    def calibrate(model: Booster, features: pd.DataFrame, target: Numbers, decision: str, interval: float) -> None:
        """Keep the threshold of a decision, which the validation rows suggest, with the model."""
        if interval:
            raise SettingError("interval is about a target that is a number: set it to 0, and see with_proba")
        if decision != ARGMAX:
            keep(model, "decision", choose_threshold(decision, target, predict_raw(model, features)))

    @staticmethod
    def label(raw: Numbers, model: Booster) -> tuple[Any, Numbers]:
        """Return the decided class of each row, and its probability of each class: one array per class."""
        return pd.Index(PreprocessedSchema.target_classes())[decide(raw, get_kept(model, "decision"))], raw.T


class NumberTarget:
    """A number; LightGBM predicts it."""

    objectives = ("regression", "regression_l1", "huber", "quantile", "poisson", "gamma", "tweedie")
    parameters: ClassVar[dict[str, Any]] = {}  # The loss of the objective measures the validation rows, too.

    @staticmethod
    def check(target: Numbers, objective: str) -> None:
        """Raise a ValueError if LightGBM cannot learn these numbers with the objective."""
        least = {"poisson": 0.0, "tweedie": 0.0, "gamma": SMALLEST}.get(objective, -LARGEST)
        if wrong := int(((target < least) | (np.abs(target) > LARGEST)).sum()):
            allowed = f"from {-LARGEST:.3g}" if least < 0 else "above 0" if least else "from 0"
            problem = f"{wrong} of {len(target)} rows have a target that the objective {objective} cannot take"
            raise ValueError(f"{problem}: it takes numbers {allowed} to {LARGEST:.3g}; leave them out, or rescale it")

    @staticmethod
    def calibrate(model: Booster, features: pd.DataFrame, target: Numbers, decision: str, interval: float) -> None:
        """Keep a model of the absolute error, and half the width of the interval, with the model.

        The rows are the validation rows. Of n, the ceil((n + 1) * interval)-th least absolute error bounds that of a
        new row with the probability ``interval`` (split conformal: Lei et al., Distribution-free predictive inference
        for regression, JASA 113, 2018).
        """
        import lightgbm as lgb

        if decision != ARGMAX:
            raise SettingError(f"decision is about classes, and the target is a number: set it to {ARGMAX}")
        errors = np.abs(target - predict_raw(model, features))
        if interval:
            if (rank := math.ceil((len(errors) + 1) * interval)) > len(errors):
                problem = f"{len(errors)} validation rows are too few for interval={interval}"
                raise ValueError(f"{problem}: lower it, or add some")
            keep(model, "interval", {"level": interval, "radius": float(np.sort(errors)[rank - 1])})
        dataset = lgb.Dataset(features.set_axis(range(features.shape[1]), axis="columns"), errors)
        threads = count_threads(cells=features.size)
        booster = call_interruptibly(threads, lgb.train, {**DETERMINISTIC, **ERROR_MODEL}, dataset, ERROR_ROUNDS)
        keep(model, "error_model", booster.model_to_string())

    @staticmethod
    def label(raw: Numbers, model: Booster) -> tuple[Any, list[Numbers]]:
        """Return the number of each row and, if the model keeps an interval, its lower and its upper bounds."""
        predicted, radius = raw.ravel(), get_kept(model, "interval").get("radius")
        return predicted, [] if radius is None else [predicted - radius, predicted + radius]


TARGET: ClassTarget | NumberTarget = NumberTarget() if PreprocessedSchema.predicts_number() else ClassTarget()


class ObjectiveParameter(luigi.Parameter[str]):
    """An objective of LightGBM that fits the target."""

    def normalize(self, x: str) -> str:
        """Return the objective; raise a SettingError if it does not fit."""
        if x not in TARGET.objectives:
            raise SettingError(f"the objective {x!r} does not fit the target: give {' or '.join(TARGET.objectives)}")
        return x
