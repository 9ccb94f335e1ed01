from __future__ import annotations

import pytest

from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.quality.requirements import (
    RequirementsParameter,
    find_failures,
    list_figures,
    parse_requirements,
)

SCORES = {"accuracy": 0.9, "balanced_accuracy": 0.8, "log_loss": 0.3, "brier_score": 0.2, "roc_auc": 0.75}
METRICS: Metrics = {  # type: ignore[typeddict-item]
    "model": SCORES,
    "baseline": {"accuracy": 0.6, "balanced_accuracy": 1 / 3, "log_loss": 1.0, "brier_score": 0.6, "roc_auc": 0.5},
    "accuracy_interval": {"level": 0.95, "low": 0.85, "high": 0.95},
    "classes": [
        {"name": 0, "rows": 40, "precision": 0.9, "recall": 0.5, "f1": 0.64, "roc_auc": 0.8},
        {"name": 1, "rows": 0, "precision": None, "recall": None, "f1": None, "roc_auc": None},
        {"name": 2, "rows": 7, "precision": 0.1, "recall": 1.0, "f1": 0.2, "roc_auc": 0.7},
    ],
}


def explain(text: str) -> list[str]:
    return find_failures(list_figures(METRICS), text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "balanced_accuracy>0.79",
        "balanced_accuracy>=.8,log_loss<=3e-1",
        " recall[0] >= 0.5 , recall [2]>0.99,",
        "accuracy_interval.low > 0.84",
        "roc_auc>baseline+0.2",
        "roc_auc > baseline + 0.2, log_loss < baseline - 0.6",
        "accuracy>baseline",
        "rows[0]>=40",
    ],
)
def test_what_holds_fails_nothing(text: str) -> None:
    assert explain(text) == []


@pytest.mark.parametrize(
    ("text", "failure"),
    [
        ("balanced_accuracy>0.8", "balanced_accuracy>0.8 is required and it is 0.8"),
        ("log_loss<0.3", "log_loss<0.3 is required and it is 0.3"),
        ("recall[0]>0.5", "recall[0]>0.5 is required and it is 0.5"),
        ("recall[1]>=0", "recall[1]>=0 is required and it is undefined"),
        ("accuracy_interval.low>0.9", "accuracy_interval.low>0.9 is required and it is 0.85"),
        ("roc_auc>baseline+0.25", "roc_auc>baseline+0.25 is required and it is 0.75, not 0.75"),
        ("log_loss<baseline-0.8", "log_loss<baseline-0.8 is required and it is 0.3, not 0.2"),
        ("rows[2]>=30", "rows[2]>=30 is required and it is 7"),
    ],
)
def test_what_fails_is_explained(text: str, failure: str) -> None:
    assert explain(text) == [failure]


def test_all_that_fail_are_explained() -> None:
    assert len(explain("recall[0]>0.9, accuracy>0.5, precision[2]>0.5")) == 2


@pytest.mark.parametrize("require_acc", [0.9, 1.0])
def test_the_accuracy_is_required_as_any_other_figure_is(require_acc: float) -> None:
    accuracy, roc_auc = explain(f"accuracy>{require_acc}, roc_auc>0.8")
    assert accuracy == f"accuracy>{require_acc} is required and it is 0.9"
    assert [roc_auc] == explain("roc_auc>0.8")


@pytest.mark.parametrize("require_acc", [0.89, 0.0, 1e-300])
def test_an_accuracy_above_the_required_one_fails_nothing(require_acc: float) -> None:
    assert explain(f"accuracy>{require_acc}, ") == []


def test_a_figure_that_is_not_known_is_passed_over() -> None:
    known = {"accuracy": 0.4, "log_loss": 1.0}
    assert find_failures(known, "recall[0]>0.5, log_loss<baseline, accuracy>=0.5") == [
        "accuracy>=0.5 is required and it is 0.4"
    ]


@pytest.mark.parametrize(
    ("text", "bounds", "is_met"),
    [
        ("accuracy>0.5", (0.3, 0.6), True),
        ("accuracy>0.5", (0.3, 0.5), False),
        ("log_loss<0.5", (0.4, 2.0), True),
        ("log_loss<0.5", (0.6, 2.0), False),
    ],
)
def test_the_better_bound_of_an_interval_counts(text: str, bounds: tuple[float, float], is_met: bool) -> None:
    figures = {"accuracy": 0.4, "log_loss": 1.0}
    assert (find_failures(figures, text, dict.fromkeys(figures, bounds)) == []) is is_met


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal[0]>0.5", "needs one of the figures f1, precision, recall, roc_auc, rows"),
        ("recall>0.5", "needs one of the figures accuracy, balanced_accuracy"),
        ("recall[fraud]>0.5", "needs one of the classes 0, 1, 2"),
        ("recall[0]>baseline", "the baseline has no figures of a single class"),
        ("accuracy_interval.low>baseline", "needs one of the figures"),
        ("accuracy", "cannot be read: write for instance"),
        ("accuracy>", "cannot be read"),
        ("accuracy==1", "cannot be read"),
        ("accuracy>nan", "cannot be read"),
        ("accuracy>0.5 log_loss<1", "cannot be read"),
        ("accuracy>0.5,,log_loss<1", "the requirement ',log_loss<1' cannot be read"),
        ("accuracy>0.5; log_loss<1", "cannot be read"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_requirements(text)
    with pytest.raises(ValueError, match=message):
        RequirementsParameter().normalize(text)
