from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from gokart_pipeline_sample.io import lightgbm_model
from gokart_pipeline_sample.io.compiled_model import Engine
from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept, predict_contributions
from gokart_pipeline_sample.pipeline.batch.score_table import PartScorer
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference
from gokart_pipeline_sample.pipeline.model.model_input import select_features
from gokart_pipeline_sample.pipeline.pred import PredTask, name_reasons
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def fit(features: pd.DataFrame, target: object, **parameters: object) -> Booster:
    import lightgbm

    settings = {"num_leaves": 4, "min_data_in_leaf": 5, "verbosity": -1, "num_threads": 1, **parameters}
    return lightgbm.train(settings, lightgbm.Dataset(features, target), 5)


class TestPredictContributions:
    @pytest.mark.parametrize("boosting", [{}, {"boosting": "rf", "bagging_freq": 1, "bagging_fraction": 0.5}])
    def test_adds_up_to_the_raw_score_of_the_decided_class(self, parts: Parts, boosting: dict[str, object]) -> None:
        features = select_features(parts[0], {})
        model = fit(features, parts[0]["target"], objective="multiclass", num_class=3, **boosting)
        for number in range(3):
            sums = predict_contributions(model, features, pd.Series(number, features.index)).sum(axis=1)
            assert sums == pytest.approx(model.predict(features, raw_score=True)[:, number])

    def test_takes_a_model_of_numbers_as_one_of_a_single_class(self, parts: Parts) -> None:
        features = select_features(parts[0], {})
        model = fit(features, parts[0]["petal_width"], objective="regression")
        sums = predict_contributions(model, features, parts[0]["petal_width"]).sum(axis=1)
        assert sums == pytest.approx(model.predict(features))

    @pytest.mark.parametrize(("threads", "copies"), [(1, 1), (2, 1), (2, 4000)])
    def test_gives_a_row_the_same_bits_in_any_company(
        self, model: Booster, parts: Parts, threads: int, copies: int
    ) -> None:
        # With 4,000 copies of 30 rows, in two chunks.
        features = pd.concat([select_features(parts[2], {})] * copies)
        decided = pd.Series(np.tile(np.arange(30) % 3, copies))
        expected = [predict_contributions(model, features[n : n + 1], decided[n : n + 1], 1) for n in range(30)]
        found = predict_contributions(model, features, decided, threads)
        assert found.tobytes() == np.concatenate(expected * copies).tobytes()


class TestNameReasons:
    NAMES = pd.Index(["a", "b c", "d", "e"])

    def test_begins_with_the_greatest_of_either_sign_and_keeps_the_order_of_equal_ones(self) -> None:
        contributions = np.array([[0.5, -2.3456, 0.5, -0.5], [-0.0, 0.0, 1234.5, 1.25e-7]])
        columns = name_reasons(contributions, self.NAMES, 3)
        assert {name: list(column) for name, column in columns.items()} == {
            "reason_1": ["b c -2.35", "d +1.23e+03"],
            "reason_2": ["a +0.5", "e +1.25e-07"],
            "reason_3": ["d +0.5", "a +0"],
        }

    def test_has_no_more_columns_than_features(self) -> None:
        assert list(name_reasons(np.ones((1, 4)), self.NAMES, 9)) == ["reason_1", "reason_2", "reason_3", "reason_4"]


class TestLabel:
    def test_names_the_feature_that_alone_decides(self) -> None:
        rng = np.random.default_rng(1)
        features = pd.DataFrame(rng.normal(size=(300, 3)), columns=["noise", "deciding one", "more noise"])
        target = np.digitize(features["deciding one"], [-0.5, 0.5])
        # LightGBM knows it by another name.
        model = fit(features.set_axis(["x", "y", "z"], axis=1), target, objective="multiclass", num_class=3)
        found = PredTask.label(model.predict(features), pd.Series(range(300)), model, features, 2)
        assert found.filter(regex="id|pred|reason").columns.tolist() == ["id", "pred", "reason_1", "reason_2"]
        assert found["reason_1"].str.startswith("deciding one +").all()

    def test_explains_the_class_in_pred_and_not_the_most_probable_one(self, model: Booster, parts: Parts) -> None:
        features = select_features(parts[2], get_kept(model, "fitted_features"))
        labels = [np.tile(np.eye(3)[label], (len(features), 1)) for label in range(3)]
        found = [PredTask.label(label, parts[2]["id"], model, features, 1) for label in labels]
        is_setosa = parts[2]["target"] == 0
        assert found[0].loc[is_setosa, "reason_1"].str.contains(r" \+").all()
        assert found[2].loc[is_setosa, "reason_1"].str.contains(" -").all()

    def test_knows_categories(self) -> None:
        values = ["red", "green", "blue"] * 40
        features = pd.DataFrame({"noise": np.arange(120.0) % 7, "colour": pd.Categorical(values)})
        model = fit(features, pd.Categorical(values).codes, objective="multiclass", num_class=3, min_data_per_group=1)
        labels = np.eye(3)[pd.Categorical(values).codes]
        found = PredTask.label(labels, pd.Series(range(120)), model, features, 1)
        assert found["reason_1"].str.startswith("colour +").all()

    def test_computes_nothing_when_it_is_off(self, model: Booster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lightgbm_model, "call_interruptibly", None)
        found = PredTask.label(np.eye(3)[:1], pd.Series([1]), model, pd.DataFrame(), 0)
        assert found.columns[:2].tolist() == ["id", "pred"]
        assert found.filter(like="reason").empty


class TestPredictions:
    def test_have_reasons_after_the_probabilities(self, model: Booster, parts: Parts) -> None:
        plain, found = (PredTask.predict(model, parts[2], count) for count in (0, 2))
        assert found.columns.tolist() == [*plain.columns, "reason_1", "reason_2"]
        assert found[plain.columns].equals(plain)
        assert found["reason_1"].str.fullmatch(r"(sepal|petal)_(length|width|area) [+-]\S+").all()

    def test_have_the_same_columns_without_rows(self, model: Booster, parts: Parts) -> None:
        assert PredTask.predict(model, parts[2][:0], 2).dtypes.equals(PredTask.predict(model, parts[2], 2).dtypes)

    @pytest.mark.parametrize("threads", [1, 2])
    def test_have_the_text_of_the_run_in_a_batch(
        self, model: Booster, parts: Parts, reference: Reference, iris: pd.DataFrame, threads: int
    ) -> None:
        expected = PredTask.predict(model, parts[2], 3).set_index("id")
        scorer = PartScorer(
            Engine(model, threads=threads),
            reference,
            pd.Index([]),
            PreprocessTask.preprocess,
            None,
            None,
            None,
            with_proba=True,
            with_reasons=3,
        )
        scored = scorer.score(iris.drop(columns="target"), "")[0].set_index("id")
        assert scored.loc[expected.index].equals(expected)
