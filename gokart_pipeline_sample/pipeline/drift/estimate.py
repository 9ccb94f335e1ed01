"""Estimate a figure of predictions whose truth is not known: the accuracy, or the mean absolute error of a number."""

from __future__ import annotations

import functools
import math
from typing import Any, TypeAlias

import numpy as np
import pandas as pd

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept, predict_raw
from gokart_pipeline_sample.pipeline.drift import shift
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

Fitted = tuple[dict[str, float], dict[str, Any]]  # figures of the model, and what estimates them for new rows
Expected = tuple[shift.Floats, shift.Floats]  # of each row, and its variance
Series: TypeAlias = "pd.Series[Any]"


class AccuracyEstimator:
    """The accuracy is the mean calibrated probability of the predicted classes.

    The number of right predictions is Poisson binomial: Kivimäki et al., Confidence-based estimators for predictive
    performance in model monitoring, arXiv 2407.08649.
    """

    figure, predicted, most = "accuracy", "the predicted class", 1.0

    @staticmethod
    def fit(model: Booster, _: pd.DataFrame, matched: pd.DataFrame, truth: Series, __: Series) -> Fitted:
        """Return the accuracy of the test rows, its variance (Agresti and Coull, 1998), and a calibration."""
        right = matched[PredictionSchema.target_column()].to_numpy() == truth.to_numpy()
        likely = (right.sum() + 2) / (len(right) + 4)
        calibration = shift.fit_calibration(get_confidence(model, matched), right)
        variance = float(likely * (1 - likely) / (len(right) + 4))
        return {"accuracy": float(right.mean())}, {"variance": variance, "calibration": calibration}

    @staticmethod
    def expect(model: Booster, _: pd.DataFrame, prediction: pd.DataFrame, fitted: Any) -> Expected:
        """Return the probability that each prediction is right."""
        line = fitted["calibration"]
        probable = np.interp(get_confidence(model, prediction), line["probabilities"], line["accuracies"])
        return probable, probable * (1 - probable)


class ErrorEstimator:
    """The mean absolute error is the mean of what a model of it expects, which was fitted on the validation rows.

    That is direct loss estimation: https://nannyml.readthedocs.io/en/stable/how_it_works/performance_estimation.html
    """

    figure, predicted, most = "mae", "the prediction", math.inf

    @staticmethod
    def fit(model: Booster, features: pd.DataFrame, matched: pd.DataFrame, truth: Series, known: Series) -> Fitted:
        """Return the error of the test rows, its variance, and by what the expected error has to be scaled.

        ``known`` is the target of the training rows, whose median is the baseline.
        """
        errors = np.abs(matched[PredictionSchema.target_column()].to_numpy() - truth.to_numpy(float))
        expected = predict_errors(model, features)
        scale = float(errors.mean() / expected.mean()) if expected.any() else 1.0
        squares = float(np.square(expected * scale).mean())
        dispersion = float(np.square(errors - expected * scale).mean() / squares) if squares else 0.0
        figures = {"mae": float(errors.mean()), "median": float(known.median()), "mean": float(known.mean())}
        figures["baseline mae"] = float((truth - figures["median"]).abs().mean())
        return figures, {"variance": dispersion * squares / len(errors), "scale": scale, "dispersion": dispersion}

    @staticmethod
    def expect(model: Booster, features: pd.DataFrame, _: pd.DataFrame, fitted: Any) -> Expected:
        """Return the absolute error that is expected of each prediction."""
        errors = predict_errors(model, features) * fitted["scale"]
        return errors, fitted["dispersion"] * np.square(errors)


def get_confidence(model: Booster, prediction: pd.DataFrame) -> shift.Floats:
    """Return the probability of the predicted class, row by row."""
    columns = {name: prediction[name] for name in PredictionSchema.probability_columns()}
    decided = columns.pop(f"probability_{decision['class']}") if (decision := get_kept(model, "decision")) else None
    highest = np.maximum.reduce([*columns.values()])
    return np.asarray(highest if decided is None else np.where(decided >= decision["threshold"], decided, highest))


def predict_errors(model: Booster, features: pd.DataFrame) -> shift.Floats:
    """Return the absolute error that a model expects of its prediction, row by row."""
    return np.maximum(predict_raw(load_model(get_kept(model, "error_model")), features), 0)


@functools.lru_cache(maxsize=2)
def load_model(text: str) -> Booster:
    """Return the model of a text, which is parsed once."""
    import lightgbm

    return lightgbm.Booster(model_str=text)


ESTIMATOR = ErrorEstimator() if PreprocessedSchema.predicts_number() else AccuracyEstimator()
