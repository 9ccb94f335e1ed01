from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from concurrent.futures import CancelledError
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_class_weight

from gokart_pipeline_sample.io.lightgbm_model import get_kept
from gokart_pipeline_sample.pipeline.model import boosting
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.train import TrainTask

FEATURES = PreprocessedSchema.feature_columns()

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def weigh(train: npt.NDArray[Any], valid: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the weights of validation rows of these classes."""
    parts = [
        pd.DataFrame({"id": range(len(target)), **dict.fromkeys(FEATURES, 1.0), "target": target})
        for target in (train, valid)
    ]
    weights = boosting.make_datasets(*map(PreprocessedSchema.validate, parts), {}, "balanced")[1].weight
    return np.asarray(weights)


class TestClassWeights:
    def test_are_those_of_scikit_learn(self) -> None:
        target = np.array([0] * 90 + [1] * 8 + [2] * 2)
        expected = compute_class_weight("balanced", classes=np.arange(3), y=target)
        assert weigh(target, np.arange(3)).tolist() == pytest.approx(expected.tolist())

    def test_a_class_without_training_rows_weighs_one(self) -> None:
        assert weigh(np.array([0, 0, 0, 2]), np.arange(3)).tolist() == pytest.approx([2 / 3, 1.0, 2.0])

    def test_change_the_model_only_if_asked_for(self, parts: Parts, parameters: dict[str, Any]) -> None:
        rare = parts[0].drop(parts[0][parts[0]["target"] == 2].index[3:])
        none, balanced = (
            TrainTask.fit(rare, parts[1], class_weight=weight, **parameters).model_to_string()
            for weight in ("none", "balanced")
        )
        assert none == TrainTask.fit(rare, parts[1], **parameters).model_to_string() != balanced


class Bar:
    """Notes the progress, and closes itself after some rounds."""

    def __init__(self, rounds: int = 10_000) -> None:
        self.remarks: list[str] = []
        self._rounds = rounds

    @property
    def disable(self) -> bool:
        return len(self.remarks) == self._rounds

    def set_postfix_str(self, remark: str, **_: bool) -> None:
        self.remarks.append(remark)

    def update(self) -> None:
        pass


class TestBoost:
    @pytest.fixture
    def fit(
        self, parts: Parts, parameters: dict[str, Any], monkeypatch: pytest.MonkeyPatch
    ) -> Callable[..., lgb.Booster]:
        def fit(bar: Bar, **options: Any) -> lgb.Booster:
            shown = []
            monkeypatch.setattr(
                boosting, "showing_progress", lambda *work: shown.append(work) or contextlib.nullcontext(bar)
            )
            model = TrainTask.fit(*parts[:2], **{**parameters, "num_boost_round": 40, **options})
            assert shown == [("trained", None, "rounds")]
            return model

        return fit

    def test_tells_the_best_round_and_when_it_stops(self, fit: Callable[..., lgb.Booster]) -> None:
        bar = Bar()
        model = fit(bar, early_stopping_rounds=3, learning_rate=2.0)
        losses = get_kept(model, "learning_curve")["valid"]["multi_logloss"]
        best = 1 + int(np.argmin(losses))
        assert len(bar.remarks) == len(losses) == best + 3
        expected = f"best {best} with loss {min(losses):.4g}, stops 3 rounds after the best, at most 40"
        assert bar.remarks[-4:] == [expected] * 4

    @pytest.mark.parametrize("options", [{"early_stopping_rounds": 0}, {"boosting": "dart"}])
    def test_promises_no_stop_that_there_is_not(self, fit: Callable[..., lgb.Booster], options: dict[str, Any]) -> None:
        fit(bar := Bar(), **options)
        assert len(bar.remarks) == 40
        assert re.fullmatch(r"best \d+ with loss [\d.]+, at most 40", bar.remarks[-1])

    def test_ends_when_nobody_waits_for_it(self, fit: Callable[..., lgb.Booster]) -> None:
        bar = Bar(rounds=5)
        with pytest.raises(CancelledError):
            fit(bar)
        assert len(bar.remarks) == 5


class TestNameFeatures:
    def test_keeps_good_names(self) -> None:
        assert boosting.name_features(["petal_area", "漢字", "x.y-z"]) == ["petal_area", "漢字", "x.y-z"]

    def test_replaces_what_lightgbm_refuses(self) -> None:
        names = boosting.name_features(["a b", 'c: "d"', "[e], {f}", "a_b", "", "\u3000", "a\0b", "a\0c", "\n"])
        assert len(set(names)) == 9
        data = lgb.Dataset(pd.DataFrame(np.eye(9), columns=names), label=[0, 1, 0] * 3, params={"verbosity": -1})
        assert data.construct().get_feature_name() == names
