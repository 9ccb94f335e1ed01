"""A target that is a number, as far as what shows a run has to know."""

from __future__ import annotations

import pytest

from gokart_pipeline_sample.pipeline.quality.metrics import NumberMetrics
from gokart_pipeline_sample.pipeline.quality.number_scores import NumberQuality
from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from pipeline_runner.watch import history
from pipeline_runner.watch.report import report


def predict_number(monkeypatch: pytest.MonkeyPatch, unit: str = "cm") -> None:
    """Let the target of the table be a number with that unit."""
    for module in (history, report):
        monkeypatch.setattr(module, "QUALITY", NumberQuality())
    monkeypatch.setattr(BaseSchema, "target_unit", classmethod(lambda _: unit))


def make_number_metrics() -> NumberMetrics:
    """Make up the metrics of a model, with intervals."""
    return {
        "rows": 40,
        "groups": None,
        "importances": [{"feature": "length", "gain": 2.0, "permutation": 0.1, "permutation_std": 0.0}],
        "learning_curve": {"loss": "l2", "train": [1.0], "valid": [1.0], "model_rounds": 1},
        "warnings": ["a feature gives the target away"],
        "unit": "cm",
        "model": {"mae": 0.2444, "rmse": 0.3135, "median_absolute_error": 0.1776, "r2": 0.8453, "bias": 0.02749},
        "baseline": {"mae": 0.6611, "rmse": None, "median_absolute_error": 0.9, "r2": None, "bias": -0.05812},
        "baseline_p_value": 0.001,
        "center": {"median": 1.3, "mean": 1.2052},
        "mae_interval": {"level": 0.95, "low": 0.1698, "high": 0.319},
        "interval": {"level": 0.9, "radius": 0.6349},
        "coverage": 0.875,
        "deciles": [{"prediction": 0.25 + 0.5 * number, "truth": 0.5, "mae": 0.2, "rows": 10} for number in range(4)],
        "points": [[0.3, 0.36], [1.2, 1.9], [2.3, 2.1]],
        "greatest_errors": [
            {"id": "first", "target": 1.4, "pred": 2.10109, "error": 0.70109, "features": {"length": 1.23456789}},
            {"id": "second", "target": 120000.0, "pred": 123456.7, "error": 0.5, "features": {"length": None}},
        ],
    }
