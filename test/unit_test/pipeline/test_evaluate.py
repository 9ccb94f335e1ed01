from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors
from scipy.stats import beta
from sklearn import metrics as sklearn_metrics
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import calibration_curve
from sklearn.dummy import DummyClassifier
from sklearn.inspection import permutation_importance
from sklearn.utils import resample
from typeguard import CollectionCheckStrategy, check_type

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.quality import importances as quality_importances
from gokart_pipeline_sample.pipeline.quality.importances import measure_importances
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.quality.scores import make_interval, show_rows
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.train import TrainTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
SHUFFLES = {"permutation_repeats": 3, "random_state": 7}


@pytest.fixture
def weak(parts: Parts, parameters: dict[str, Any]) -> tuple[Booster, pd.DataFrame]:
    """A model of few rounds, and a test part of which it predicts some rows wrongly."""
    model = TrainTask.fit(parts[0], parts[1], **{**parameters, "num_boost_round": 4})
    return model, pd.concat(parts, ignore_index=True)


@pytest.fixture
def prediction(weak: tuple[Booster, pd.DataFrame]) -> pd.DataFrame:
    model, test = weak
    return PredTask.predict(model, test)


@pytest.fixture
def evaluated(weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame) -> Metrics:
    model, test = weak
    return EvaluateTask.evaluate(model, prediction, test, test, **SHUFFLES)


@pytest.fixture
def truth(weak: tuple[Booster, pd.DataFrame]) -> pd.Series:
    return weak[1]["target"]


@pytest.fixture
def probabilities(prediction: pd.DataFrame) -> np.ndarray:
    return prediction[["probability_0", "probability_1", "probability_2"]].to_numpy()


class TestAgainstScikitLearn:
    def test_there_is_something_to_tell(self, evaluated: Metrics) -> None:
        assert 0.5 < evaluated["model"]["accuracy"] < 1

    def test_scores(
        self, evaluated: Metrics, truth: pd.Series, prediction: pd.DataFrame, probabilities: np.ndarray
    ) -> None:
        assert evaluated["rows"] == 150
        assert evaluated["model"] == pytest.approx(score(truth, prediction["pred"], probabilities))

    def test_baseline(self, evaluated: Metrics, truth: pd.Series) -> None:
        dummy = DummyClassifier(strategy="prior").fit(truth, truth)
        assert evaluated["baseline"] == pytest.approx(score(truth, dummy.predict(truth), dummy.predict_proba(truth)))

    def test_comparison_with_the_baseline(self, evaluated: Metrics, truth: pd.Series, prediction: pd.DataFrame) -> None:
        right, frequent = prediction["pred"] == truth, truth == truth.mode()[0]
        gained, lost = int((right & ~frequent).sum()), int((frequent & ~right).sum())
        # How often at least so many of so many tosses of a coin are heads.
        tails = sum(math.comb(gained + lost, count) for count in range(gained, gained + lost + 1))
        assert evaluated["baseline_p_value"] == pytest.approx(tails / 2 ** (gained + lost))

    def test_interval(self, evaluated: Metrics, truth: pd.Series, prediction: pd.DataFrame) -> None:
        draws = (resample(truth, prediction["pred"], random_state=seed) for seed in range(400))
        accuracies = [sklearn_metrics.accuracy_score(*draw) for draw in draws]
        interval = evaluated["accuracy_interval"]
        low, high = np.quantile(accuracies, [0.025, 0.975])
        assert interval["level"] == 0.95
        # The exact interval is a little wider than that of the draws.
        assert [interval["low"], interval["high"]] == pytest.approx([low, high], abs=3 / 150)
        assert interval["low"] < evaluated["model"]["accuracy"] < interval["high"]

    def test_classes(
        self, evaluated: Metrics, truth: pd.Series, prediction: pd.DataFrame, probabilities: np.ndarray
    ) -> None:
        report = sklearn_metrics.classification_report(truth, prediction["pred"], output_dict=True)
        for number, scores in enumerate(evaluated["classes"]):
            expected = report[str(number)]
            assert scores["name"] == number
            assert scores["rows"] == expected["support"]
            assert scores["precision"] == pytest.approx(expected["precision"])
            assert scores["recall"] == pytest.approx(expected["recall"])
            assert scores["f1"] == pytest.approx(expected["f1-score"])
            area = sklearn_metrics.roc_auc_score(truth == number, probabilities[:, number])
            assert scores["roc_auc"] == pytest.approx(area)

    def test_confusion_matrix(self, evaluated: Metrics, truth: pd.Series, prediction: pd.DataFrame) -> None:
        expected = sklearn_metrics.confusion_matrix(truth, prediction["pred"])
        assert evaluated["confusion_matrix"] == expected.tolist()

    def test_calibration(
        self, evaluated: Metrics, truth: pd.Series, prediction: pd.DataFrame, probabilities: np.ndarray
    ) -> None:
        right, confidence = truth == prediction["pred"], probabilities.max(axis=1)
        accuracies, means = calibration_curve(right, confidence, n_bins=10)
        bins = evaluated["calibration"]
        assert len(bins) > 1
        assert [each["accuracy"] for each in bins] == pytest.approx(accuracies.tolist())
        assert [each["probability"] for each in bins] == pytest.approx(means.tolist())
        assert sum(each["rows"] for each in bins) == 150
        hits = sum(each["rows"] * each["accuracy"] for each in bins)
        assert hits == pytest.approx(right.sum())

    def test_importances(self, evaluated: Metrics, weak: tuple[Booster, pd.DataFrame], truth: pd.Series) -> None:
        model, test = weak
        features = PreprocessedSchema.feature_columns()

        class Classifier(ClassifierMixin, BaseEstimator):
            classes_ = (0, 1, 2)

            def fit(self, *_: object) -> None: ...

            def predict(self, data: pd.DataFrame) -> np.ndarray:
                return model.predict(data).argmax(axis=1)

        expected = permutation_importance(
            Classifier(), test[features], truth, scoring="accuracy", n_repeats=3, random_state=7
        )
        importances = evaluated["importances"]
        assert [each["feature"] for each in importances] == features
        assert [each["permutation"] for each in importances] == pytest.approx(expected.importances_mean.tolist())
        assert [each["permutation_std"] for each in importances] == pytest.approx(expected.importances_std.tolist())
        assert [each["gain"] for each in importances] == model.feature_importance("gain").tolist()
        assert max(each["permutation"] for each in importances) > 0.05

    def test_the_features_with_the_greatest_gain_are_shuffled_in_a_sample(
        self, weak: tuple[Booster, pd.DataFrame], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        model, test = weak
        gains = dict(zip(PreprocessedSchema.feature_columns(), model.feature_importance("gain"), strict=True))
        greatest = sorted(gains, key=lambda name: -gains[name])[:2]
        monkeypatch.setattr(quality_importances, "SHUFFLED_FEATURES", 2)
        monkeypatch.setattr(quality_importances, "SHUFFLED_ROWS", 20)
        permuted = {each["feature"]: each["permutation"] for each in measure_importances(model, test, 3, 7)}
        assert {name for name, loss in permuted.items() if loss is not None} == {*greatest}
        # Of a feature that the model does not use, nothing is lost, however few rows there are.
        monkeypatch.setattr(quality_importances, "SHUFFLED_FEATURES", 5)
        monkeypatch.setattr(quality_importances, "SHUFFLED_ROWS", 7)
        for each in measure_importances(model, test, 3, 7):
            assert each["gain"] > 0 or each["permutation"] == 0

    def test_learning_curve(self, evaluated: Metrics, weak: tuple[Booster, pd.DataFrame], parts: Parts) -> None:
        model, _ = weak
        curve = get_kept(model, "learning_curve")
        described = evaluated["learning_curve"]
        assert described["loss"] == "multi_logloss"
        assert described["train"] == curve["train"]["multi_logloss"]
        assert described["model_rounds"] == model.current_iteration()
        valid = parts[1]
        for number, loss in enumerate(described["valid"], start=1):
            predicted = model.predict(valid[PreprocessedSchema.feature_columns()], num_iteration=number)
            assert loss == pytest.approx(sklearn_metrics.log_loss(valid["target"], predicted), rel=1e-6)

    def test_most_confidently_wrong(
        self, evaluated: Metrics, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame
    ) -> None:
        test = weak[1]
        rows = evaluated["most_confidently_wrong"]
        table = test.assign(pred=prediction["pred"], probability=prediction.filter(like="probability_").max(axis=1))
        wrong = table[table["pred"] != table["target"]].sort_values("probability", ascending=False, kind="stable")[:10]
        assert len(rows) > 1
        for column in ("id", "target", "pred", "probability"):
            assert [row[column] for row in rows] == wrong[column].tolist()
        assert [row["features"] for row in rows] == wrong[PreprocessedSchema.feature_columns()].to_dict("records")

    def test_has_the_reasons_of_wrong_rows_if_predictions_have_some(
        self, evaluated: Metrics, weak: tuple[Booster, pd.DataFrame]
    ) -> None:
        model, test = weak
        found = PredTask.predict(model, test, 2)
        rows = EvaluateTask.evaluate(model, found, test, test, **SHUFFLES)["most_confidently_wrong"]
        by_id = found.set_index("id")[["reason_1", "reason_2"]]
        expected = [{**row, "reasons": by_id.loc[row["id"]].tolist()} for row in evaluated["most_confidently_wrong"]]
        assert rows == expected


class TestEvaluate:
    def test_says_what_is_documented(self, evaluated: Metrics) -> None:
        document = json.loads(json.dumps(evaluated, allow_nan=False))
        check_type(document, Metrics, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)

    def test_matches_predictions_by_id(
        self,
        evaluated: Metrics,
        weak: tuple[Booster, pd.DataFrame],
        prediction: pd.DataFrame,
    ) -> None:
        model, test = weak
        shuffled = prediction.sample(frac=1, random_state=0)
        assert EvaluateTask.evaluate(model, shuffled, test, test, **SHUFFLES) == evaluated

    def test_gives_the_same_figures_each_time(
        self, evaluated: Metrics, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame
    ) -> None:
        model, test = weak
        assert EvaluateTask.evaluate(model, prediction, test, test, **SHUFFLES) == evaluated

    @pytest.mark.filterwarnings("error")
    def test_leaves_open_what_is_not_defined(
        self, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame
    ) -> None:
        model, test = weak
        some = (test["target"] == 1) | ((test["target"] == 0) & (prediction["pred"] == 0))
        result = EvaluateTask.evaluate(model, prediction[some], test[some], test[some], **SHUFFLES)
        assert result["model"]["roc_auc"] is None
        assert [each["roc_auc"] is None for each in result["classes"]] == [False, False, True]
        assert result["classes"][2]["rows"] == 0
        assert result["classes"][2]["recall"] is None
        assert np.sum(result["confusion_matrix"]) == some.sum()
        balanced = np.mean([each["recall"] for each in result["classes"][:2]])
        assert result["model"]["balanced_accuracy"] == pytest.approx(balanced)

    def test_refuses_predictions_of_other_rows(
        self, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame
    ) -> None:
        model, test = weak
        with pytest.raises(ValueError, match="1 ids have no row or no prediction"):
            EvaluateTask.evaluate(model, prediction[1:], test, test, **SHUFFLES)

    def test_names_a_missing_target(self, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame) -> None:
        model, test = weak
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            EvaluateTask.evaluate(model, prediction, test, test.drop(columns="target"), **SHUFFLES)


class TestShownRows:
    def test_has_no_value_where_json_knows_none(
        self, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame
    ) -> None:
        _, test = weak
        strange = test.assign(petal_width=pd.Timestamp("2024-05-06"), sepal_width=np.nan)
        rows = show_rows(strange, prediction, pd.Series([0.9, 0.8], [3, 5], name="probability"))
        assert len(rows) == 2
        assert {row["features"]["petal_width"] for row in rows} == {"2024-05-06"}
        assert {row["features"]["sepal_width"] for row in rows} == {None}
        json.dumps(rows, allow_nan=False)

    def test_gives_the_probability_of_the_class_that_was_decided(
        self, weak: tuple[Booster, pd.DataFrame], prediction: pd.DataFrame
    ) -> None:
        model, test = weak
        improbable = prediction.filter(like="probability_").to_numpy().argmin(axis=1)
        document = EvaluateTask.evaluate(model, prediction.assign(pred=improbable), test, test, **SHUFFLES)
        rows = document["most_confidently_wrong"]
        assert rows
        least = prediction.filter(like="probability_").min(axis=1).set_axis(prediction["id"])
        assert [row["probability"] for row in rows] == [least[row["id"]] for row in rows]


class TestMakeInterval:
    def test_has_a_width_where_all_rows_are_alike(self) -> None:
        # If the accuracy were lower, 30 right predictions would be less probable than 2.5 %.
        right, wrong = make_interval(1.0, 30), make_interval(0.0, 30)
        assert (right["low"], right["high"]) == pytest.approx((0.025 ** (1 / 30), 1.0))
        assert (wrong["low"], wrong["high"]) == pytest.approx((0.0, 1 - 0.025 ** (1 / 30)))

    def test_is_that_of_clopper_and_pearson(self) -> None:
        # Its ends are quantiles of beta distributions: https://doi.org/10.1214/ss/1009213286, section 4.2.1.
        low, high = beta.ppf([0.025, 0.975], [9, 10], [2, 1])
        interval = make_interval(0.9, 10)
        assert (interval["low"], interval["high"]) == pytest.approx((low, high))

    def test_is_narrower_for_more_rows(self) -> None:
        few, many = (make_interval(0.9, rows) for rows in (30, 3000))
        assert many["high"] - many["low"] < (few["high"] - few["low"]) / 5


def score(truth: pd.Series, predicted: Any, probabilities: np.ndarray) -> dict[str, float]:
    return {
        "accuracy": sklearn_metrics.accuracy_score(truth, predicted),
        "balanced_accuracy": sklearn_metrics.balanced_accuracy_score(truth, predicted),
        "log_loss": sklearn_metrics.log_loss(truth, probabilities),
        "brier_score": sklearn_metrics.brier_score_loss(truth, probabilities),
        "roc_auc": sklearn_metrics.roc_auc_score(truth, probabilities, multi_class="ovr", average="macro"),
    }
