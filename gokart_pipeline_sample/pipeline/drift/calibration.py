"""Estimates of the accuracy from the probabilities of the predicted classes."""

from statistics import NormalDist
from typing import TypedDict

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
POINTS = 100
# With fewer right or wrong predictions, the slope of a line would be chance.
FEW_ROWS = 10

Floats = npt.NDArray[np.float64]


class Calibration(TypedDict):
    """A line through points: the share of right predictions by the probability of the predicted class."""

    method: str  # offset or platt
    probabilities: list[float]  # rising
    accuracies: list[float]


class EstimatedAccuracy(TypedDict):
    """The accuracy of predictions whose truth is not known, with its interval of 95%."""

    accuracy: float
    low: float
    high: float


def fit_calibration(confidence: Floats, right: npt.NDArray[np.bool_]) -> Calibration:
    """Calibrate the probabilities of predicted classes by whether each prediction is right, by Platt's method.

    Niculescu-Mizil and Caruana, Predicting good probabilities with supervised learning, ICML 2005. With few right or
    wrong rows only the offset of its line is fitted, so that the mean is right.
    """
    from scipy.optimize import brentq
    from scipy.special import expit, logit
    from sklearn.linear_model import LogisticRegression

    low, high = 1e-9, 1 - 1e-9
    odds = logit(np.clip(confidence, low, high))
    points = np.unique([*np.quantile(odds, np.linspace(0, 1, POINTS + 1)), *logit([low, high])])
    if min(right.sum(), (~right).sum()) < FEW_ROWS:
        # Half a row more of each kind (Jeffreys): no prediction is sure to be right.
        mean = (right.sum() + 0.5) / (len(right) + 1)
        offset = brentq(lambda offset: expit(odds + offset).mean() - mean, -50, 50)
        method, accuracies = "offset", expit(points + offset)
    else:
        platt = LogisticRegression(C=np.inf).fit(odds[:, None], right)
        method, accuracies = "platt", platt.predict_proba(points[:, None])[:, 1]
    return Calibration(method=method, probabilities=expit(points).tolist(), accuracies=accuracies.tolist())


def calibrate(confidence: Floats, calibration: Calibration) -> Floats:
    """Return the share of right predictions that each probability stands for."""
    return np.interp(confidence, calibration["probabilities"], calibration["accuracies"])


def estimate_accuracy(
    rows: int, right: float, variance: float, test_rows: int, test_accuracy: float
) -> EstimatedAccuracy:
    """Estimate the accuracy of ``rows`` predictions, at least one, as their mean calibrated probability.

    ``right`` is the sum of these probabilities, and ``variance`` that of p(1 - p). The number of right predictions is
    Poisson binomial (Kivimäki et al., Confidence-based estimators for predictive performance in model monitoring, arXiv
    2407.08649). The calibration is as uncertain as the accuracy on the test rows that it was fitted to, whose variance
    (Agresti and Coull, 1998) is added. It holds while the relation of features and target is the same.
    """
    accuracy, likely = right / rows, (test_accuracy * test_rows + 2) / (test_rows + 4)
    deviation = np.sqrt(variance / rows**2 + likely * (1 - likely) / (test_rows + 4))
    margin = float(NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * deviation)
    return EstimatedAccuracy(accuracy=accuracy, low=max(accuracy - margin, 0.0), high=min(accuracy + margin, 1.0))
