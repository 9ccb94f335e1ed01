from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from sklearn.utils.class_weight import compute_class_weight

from gokart_pipeline_sample.pipeline.model import boosting
from gokart_pipeline_sample.pipeline.train import TrainTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


class TestClassWeights:
    def test_are_those_of_scikit_learn(self) -> None:
        target = np.array([0] * 90 + [1] * 8 + [2] * 2)
        expected = compute_class_weight("balanced", classes=np.arange(3), y=target)
        assert boosting.weigh_classes(target).tolist() == pytest.approx(expected.tolist())

    def test_a_class_without_rows_weighs_one(self) -> None:
        assert boosting.weigh_classes(np.array([0, 0, 0, 2])).tolist() == pytest.approx([2 / 3, 1.0, 2.0])

    def test_change_the_model_only_if_asked_for(self, parts: Parts, parameters: dict[str, Any]) -> None:
        rare = parts[0].drop(parts[0][parts[0]["target"] == 2].index[3:])
        none, balanced = (
            TrainTask.fit(rare, parts[1], class_weight=weight, **parameters).model_to_string()
            for weight in ("none", "balanced")
        )
        assert none == TrainTask.fit(rare, parts[1], **parameters).model_to_string() != balanced


class TestNameFeatures:
    def test_keeps_good_names(self) -> None:
        assert boosting.name_features(["petal_area", "漢字", "x.y-z"]) == ["petal_area", "漢字", "x.y-z"]

    def test_replaces_what_lightgbm_refuses(self) -> None:
        names = boosting.name_features(["a b", 'c: "d"', "[e], {f}", "a_b", "", "\u3000", "a\0b", "a\0c", "\n"])
        assert len(set(names)) == 9
        data = lgb.Dataset(pd.DataFrame(np.eye(9), columns=names), label=[0, 1, 0] * 3, params={"verbosity": -1})
        assert data.construct().get_feature_name() == names
