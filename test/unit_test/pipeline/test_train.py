from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.errors import AccuracyTooLowError, SettingError
from gokart_pipeline_sample.io.lightgbm_model import get_kept
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.model import boosting
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.train import TrainTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


class TestTrainTask:
    def test_trains_as_agreed_unless_told_otherwise(self) -> None:
        task = TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask())
        assert task.plain_parameters() == {
            "objective": "multiclass",
            "boosting": "gbdt",
            "num_leaves": 31,
            "feature_fraction": 0.5,
            "bagging_fraction": 0.5,
            "bagging_freq": 20,
            "min_sum_hessian_in_leaf": 0.1,
            "learning_rate": 0.05,
            "seed": 42,
            "num_boost_round": 5000,
            "early_stopping_rounds": 100,
            "lightgbm": {},
            "class_weight": "none",
            "interval": 0.0,
            "decision": "argmax",
        }

    def test_is_the_same_task_with_any_number_of_threads(self) -> None:
        tasks = [TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask(), threads=count) for count in (0, 1, 16)]
        assert len({task.make_unique_id() for task in tasks}) == 1

    @pytest.mark.parametrize("threads", ["-1", "4096", "many", "1.5"])
    def test_takes_no_number_of_threads_that_there_cannot_be(self, threads: str) -> None:
        with pytest.raises(ValueError, match=threads):
            TrainTask.threads.parse(threads)

    @pytest.mark.parametrize("boosting", ["gbdt num_leaves=2", "gbdt\nseed=1", "goss", ""])
    def test_takes_no_other_options_with_the_boosting(self, boosting: str) -> None:
        with pytest.raises(ValueError, match="not a valid choice"):
            TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask(), boosting=boosting)

    @pytest.mark.parametrize("objective", ["regression", "binary", "multiclass num_leaves=2", ""])
    def test_takes_no_objective_that_does_not_fit_the_target(self, objective: str) -> None:
        with pytest.raises(SettingError, match=f"the objective '{objective}' does not fit the target: give multiclass"):
            TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask(), objective=objective)


class TestFit:
    def test_is_deterministic_and_leaves_the_number_of_threads_open(
        self, parts: Parts, parameters: dict[str, Any]
    ) -> None:
        text = TrainTask.fit(parts[0], parts[1], **parameters).model_to_string()
        for line in ("[deterministic: 1]", "[num_threads: 0]", "[objective: multiclass]", "[metric: multi_logloss]"):
            assert line in text

    @pytest.mark.parametrize("threads", [1, 2, 5])
    def test_gives_the_same_model_with_any_number_of_threads(
        self, parts: Parts, parameters: dict[str, Any], threads: int
    ) -> None:
        models = [TrainTask.fit(parts[0], parts[1], threads=count, **parameters) for count in (0, threads)]
        assert models[0].model_to_string() == models[1].model_to_string()

    def test_learns_from_the_features_of_the_schema(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, _ = parts
        booster = TrainTask.fit(train, valid, **parameters)
        features = ["sepal_length", "sepal_width", "petal_length", "petal_width", "petal_area"]
        assert booster.feature_name() == features
        assert booster.num_model_per_iteration() == 3

    @pytest.mark.parametrize(
        "change",
        [
            lambda rows: rows.groupby("target").head(12),
            lambda rows: rows.assign(
                sepal_length=1.0, sepal_width=1.0, petal_length=1.0, petal_width=1.0, petal_area=1.0
            ),
            lambda rows: rows.iloc[:39],
        ],
        ids=["few rows of each class", "constant features", "few rows"],
    )
    def test_a_model_without_a_split_is_none(self, parts: Parts, parameters: dict[str, Any], change: Any) -> None:
        train = change(parts[0])
        with pytest.raises(
            ValueError, match=f"no feature splits the {len(train)} training rows, 20 to a side: add features"
        ):
            TrainTask.fit(train, parts[1], **parameters)

    def test_a_model_without_a_feature_is_none(
        self, parts: Parts, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(boosting, "select_features", lambda rows, _: rows[[]])
        with pytest.raises(ValueError, match="the model has no feature: declare a column beside the id and the targ"):
            TrainTask.fit(parts[0], parts[1], **parameters)

    def test_records_the_loss_of_each_round(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, _ = parts
        booster = TrainTask.fit(train, valid, **parameters)
        curve = get_kept(booster, "learning_curve")
        assert curve.keys() == {"train", "valid"}
        losses = curve["valid"]["multi_logloss"]
        assert len(curve["train"]["multi_logloss"]) == len(losses)
        assert losses.index(min(losses)) + 1 == booster.best_iteration

    def test_stops_when_the_validation_loss_stops_falling(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, _ = parts
        parameters |= {"num_boost_round": 5000, "early_stopping_rounds": 5}
        booster = TrainTask.fit(train, valid, **parameters)
        curve = get_kept(booster, "learning_curve")
        assert len(curve["valid"]["multi_logloss"]) == booster.best_iteration + 5

    def test_gives_the_same_model_each_time(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, _ = parts
        first, again = (TrainTask.fit(train, valid, **parameters).model_to_string() for _ in range(2))
        assert first == again

    def test_passes_parameters_on_to_lightgbm(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, _ = parts
        booster = TrainTask.fit(train, valid, **parameters, num_leaves=5)
        assert "[num_leaves: 5]" in booster.model_to_string()
        with pytest.raises(SettingError, match=r"refuses a parameter of TrainTask: it needs \(num_leaves\) > \(1\)"):
            TrainTask.fit(train, valid, **parameters, num_leaves=-1)

    def test_names_a_missing_target(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, _ = parts
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            TrainTask.fit(train, valid.drop(columns="target"), **parameters)


class TestModelBehaviour:
    def test_the_id_changes_nothing(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, test = parts
        expected = TrainTask.fit(train, valid, **parameters)
        actual = TrainTask.fit(train.assign(id=train["id"] * 1000), valid.assign(id=range(len(valid))), **parameters)
        assert actual.model_to_string() == expected.model_to_string()
        renamed = PredTask.predict(expected, test.assign(id=test["id"] + 5000))
        assert renamed.drop(columns="id").equals(PredTask.predict(expected, test).drop(columns="id"))

    def test_a_permuted_target_does_not_pass_the_gate(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, test = (
            part.assign(target=part["target"].sample(frac=1, random_state=0).to_numpy()) for part in parts
        )
        booster = TrainTask.fit(train, valid, **parameters)
        with pytest.raises(AccuracyTooLowError):
            CheckAccuracyTask.check_accuracy(PredTask.predict(booster, test), test, require_acc=0.9)

    def test_the_true_target_passes_the_gate(self, parts: Parts, parameters: dict[str, Any]) -> None:
        train, valid, test = parts
        booster = TrainTask.fit(train, valid, **parameters)
        CheckAccuracyTask.check_accuracy(PredTask.predict(booster, test), test, require_acc=0.9)
