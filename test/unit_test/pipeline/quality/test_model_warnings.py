from __future__ import annotations

from typing import Any

import pytest
from sklearn.model_selection import train_test_split
from support.judged_tables import make_wide

from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.model.target import DETERMINISTIC, TARGET
from gokart_pipeline_sample.pipeline.quality.find_warnings import find_model_warnings
from gokart_pipeline_sample.pipeline.train import TrainTask

FALLING = [1.0 - 0.01 * number for number in range(50)]


def make(valid: list[float], kept: int, **changed: Any) -> Any:
    """Make the metrics of a model that is right for 90 of 100 rows."""
    return {
        "model": {"accuracy": 0.9},
        "baseline": {"accuracy": 0.5},
        "baseline_p_value": 1e-9,
        "classes": [{"name": "a", "rows": 50}, {"name": "b", "rows": 45}, {"name": "c", "rows": 5}],
        "confusion_matrix": [[45, 2, 3], [2, 43, 0], [1, 2, 2]],
        "learning_curve": {"loss": "multi_logloss", "train": valid, "valid": valid, "model_rounds": kept},
        **changed,
    }


def test_there_are_none_for_a_good_model() -> None:
    assert find_model_warnings(make([*FALLING, *[0.6] * 10], 50), patience=10) == []


def test_a_loss_that_diverges_is_told_with_what_to_do() -> None:
    (found,) = find_model_warnings(make([*FALLING, 0.7, 30.0, *[29.0] * 8], 50), patience=10)
    assert found == (
        "the validation loss diverged: after round 50 it rose from 0.51 to 30: "
        'set a higher min_sum_hessian_in_leaf, or lightgbm={"lambda_l2": 5}, of TrainTask'
    )


@pytest.mark.parametrize(("highest", "is_told"), [(2.0, False), (2.01, True)])
def test_a_loss_diverges_if_it_is_over_twice_that_of_the_first_round(highest: float, is_told: bool) -> None:
    found = find_model_warnings(make([*FALLING, *[highest] * 10], 50), patience=10)
    assert any("diverged" in sentence for sentence in found) == is_told


@pytest.mark.parametrize(("kept", "is_told"), [(9, True), (10, False)])
def test_fewer_than_ten_rounds_are_few(kept: int, is_told: bool) -> None:
    found = find_model_warnings(make([*FALLING[:kept], *[1.0] * 10], kept), patience=10)
    told = f"the model keeps {kept} of {kept + 10} rounds: add features or rows, or lower learning_rate"
    assert found == [told] * is_told


@pytest.mark.parametrize("after", [0, 9])
def test_training_that_early_stopping_did_not_end_is_told(after: int) -> None:
    (found,) = find_model_warnings(make([*FALLING, *[0.6] * after], 50), patience=10)
    problem = f"training stopped at num_boost_round={50 + after}, before early stopping could end it: "
    assert found == f"{problem}set a higher num_boost_round or learning_rate of TrainTask"


def test_who_wants_no_early_stopping_is_not_told_of_it() -> None:
    assert find_model_warnings(make(FALLING[:5], 5), patience=0) == []


def test_a_class_that_is_never_predicted_is_told_if_test_rows_have_it() -> None:
    metrics = make([*FALLING, *[0.6] * 10], 50, confusion_matrix=[[48, 2, 0], [2, 43, 0], [1, 4, 0]])
    problem = "classes with test rows that the model never predicts: c (5): "
    assert find_model_warnings(metrics, 10) == [f"{problem}set class_weight=balanced of TrainTask, or add rows of them"]
    metrics["classes"][2]["rows"] = 0
    assert find_model_warnings(metrics, 10) == []


def test_a_model_that_is_not_better_than_the_most_frequent_class_is_told() -> None:
    metrics = make([*FALLING, *[0.6] * 10], 50, baseline={"accuracy": 0.89}, baseline_p_value=0.21)
    (found,) = find_model_warnings(metrics, 10)
    assert found.startswith("the accuracy 0.9 is not better than that of the most frequent class, 0.89, with 95% confi")


@pytest.mark.long
@pytest.mark.parametrize(("changed", "is_told"), [({"min_sum_hessian_in_leaf": 0.001}, True), ({}, False)])
def test_a_wide_table_of_uneven_classes_diverges_with_lightgbms_own_bound_on_leaves_only(
    changed: dict[str, float], is_told: bool
) -> None:
    import lightgbm as lgb

    wide = make_wide(classes=20, features=30)
    data = train_test_split(wide.drop(columns=["id", "target"]), wide["target"], test_size=0.2, random_state=42)
    parameters = TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask()).plain_parameters()
    own = {
        name: parameters.pop(name) for name in ("class_weight", "decision", "interval", "lightgbm", "num_boost_round")
    }
    curve: dict[str, Any] = {}
    train = lgb.Dataset(data[0], data[2])
    model = lgb.train(
        {**parameters, **DETERMINISTIC, **TARGET.parameters, "num_class": 20, "num_threads": 1, **changed},
        train,
        own["num_boost_round"],
        [lgb.Dataset(data[1], data[3], reference=train)],
        callbacks=[lgb.record_evaluation(curve)],
    )
    metrics = make(curve["valid_0"]["multi_logloss"], model.best_iteration)
    found = find_model_warnings(metrics, patience=parameters["early_stopping_rounds"])
    assert [sentence.partition(":")[0] for sentence in found] == ["the validation loss diverged"] * is_told
