"""Estimates of the accuracy from the probabilities of the predicted classes."""

from __future__ import annotations

from statistics import NormalDist
from typing import TypedDict

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
FOLDS = 5
SEED = 42
POINTS = 100
# With fewer right or wrong predictions, a line or a curve would learn chance.
FEW_ROWS = 10

Floats = npt.NDArray[np.float64]


class Calibration(TypedDict):
    """A line through points, which gives the share of right predictions by the probability of the predicted class."""

    method: str  # none, offset, platt or isotonic
    probabilities: list[float]  # rising
    accuracies: list[float]


class EstimatedAccuracy(TypedDict):
    """The accuracy of predictions whose truth is not known, with its interval of 95%."""

    accuracy: float
    low: float
    high: float


def fit_calibration(confidence: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """Calibrate the probabilities of predicted classes.

    Platt's method or isotonic regression (Niculescu-Mizil and Caruana, Predicting good probabilities with supervised
    learning, ICML 2005), whichever has the least Brier score in cross-validation; none if neither lowers it. With few
    right or wrong rows only the offset of Platt's line is fitted, so that the mean is right.

    Args:
        confidence: probability of the predicted class, row by row.
        right: whether each prediction is right.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from sklearn.isotonic import IsotonicRegression
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    low, high = 1e-9, 1 - 1e-9
    odds = logit(np.clip(confidence, low, high))[:, None]
    points = np.unique([*np.quantile(odds, np.linspace(0, 1, POINTS + 1)), *logit([low, high])])[:, None]
    platt, isotonic = LogisticRegression(C=np.inf), IsotonicRegression(out_of_bounds="clip", y_min=0, y_max=1)
    if min(right.sum(), (~right).sum()) < FEW_ROWS:
        # Half a row more of each kind (Jeffreys): no prediction is sure to be right.
        mean = (right.sum() + 0.5) / (len(right) + 1)
        method, offset = "offset", brentq(lambda offset: expit(odds + offset).mean() - mean, -50, 50)
    else:
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=SEED)
        unseen = {
            "none": confidence,
            "platt": cross_val_predict(platt, odds, right, cv=folds, method="predict_proba")[:, 1],
            "isotonic": cross_val_predict(isotonic, odds, right.astype(float), cv=folds.split(odds, right)),
        }
        method, offset = min(unseen, key=lambda name: float(((unseen[name] - right) ** 2).mean())), 0.0
    if method == "platt":
        accuracies = platt.fit(odds, right).predict_proba(points)[:, 1]
    elif method == "isotonic":
        accuracies = isotonic.fit(odds, right.astype(float)).predict(points)
    else:
        accuracies = expit(points[:, 0] + offset)
    probabilities = expit(points[:, 0])
    return Calibration(method=method, probabilities=probabilities.tolist(), accuracies=accuracies.tolist())


def calibrate(confidence: Floats, calibration: Calibration) -> Floats:
    """Return the share of right predictions that each probability stands for."""
    return np.interp(confidence, calibration["probabilities"], calibration["accuracies"])


def estimate_accuracy(
    rows: int, right: float, variance: float, test_rows: int, test_accuracy: float
) -> EstimatedAccuracy:
    """Estimate the accuracy as the mean calibrated probability of the predicted classes.

    Kivimäki et al., Confidence-based estimators for predictive performance in model monitoring, arXiv 2407.08649: the
    number of right predictions is Poisson binomial. The calibration is as uncertain as the accuracy on the test rows,
    whose variance (Agresti and Coull, 1998) is added. It holds while the relation of features and target is the same.

    Args:
        rows: number of predictions, at least one.
        right: sum of their calibrated probabilities.
        variance: sum of p(1 - p) over them.
        test_rows: rows that the calibration was fitted to.
        test_accuracy: the accuracy on them.
    """
    accuracy, likely = right / rows, (test_accuracy * test_rows + 2) / (test_rows + 4)
    deviation = np.sqrt(variance / rows**2 + likely * (1 - likely) / (test_rows + 4))
    margin = float(NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation)
    return EstimatedAccuracy(accuracy=accuracy, low=max(accuracy - margin, 0.0), high=min(accuracy + margin, 1.0))
