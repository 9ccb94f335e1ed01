from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor, get_kept, keep, predict_raw
from gokart_pipeline_sample.pipeline.drift.estimate import predict_errors
from gokart_pipeline_sample.pipeline.model.decision import ARGMAX
from gokart_pipeline_sample.pipeline.model.model_input import encode_target, select_features
from gokart_pipeline_sample.pipeline.model.target import DETERMINISTIC, LARGEST, TARGET, ClassTarget, NumberTarget
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]
USABLE = np.array([0.5, 1.0, 3.0, 1000.0])
AT_LEAST_ZERO = ("poisson", "tweedie", "gamma")


def draw(rows: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Draw features and a number, which is the less certain the greater ``width`` is."""
    generator = np.random.default_rng(seed)
    features = pd.DataFrame({"middle": generator.normal(size=rows), "width": generator.uniform(0.1, 2, rows)})
    colours = pd.Series(generator.choice(["red", "blue"], rows), dtype="str")
    features["colour"] = colours.astype(pd.CategoricalDtype(["blue", "red"]))
    middle = 3 * features["middle"] + (colours == "red")
    return features, (middle + generator.normal(size=rows) * features["width"]).to_numpy()


@pytest.fixture(scope="module")
def trained() -> Booster:
    features, target = draw(2000, seed=0)
    settings: dict[str, Any] = {**DETERMINISTIC, "objective": "regression", "num_threads": 1}
    return lgb.train(settings, lgb.Dataset(features, target), 40)


@pytest.fixture
def number_model(trained: Booster) -> Booster:
    """A model that keeps nothing yet."""
    return LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(trained))


def make_exact_model() -> Any:
    """Make up a model that predicts zero."""
    return SimpleNamespace(predict=lambda features: np.zeros(len(features)))


class TestNumberTargetCheck:
    @pytest.mark.parametrize("objective", NumberTarget.objectives)
    def test_accepts_numbers_above_zero_which_lightgbm_learns(self, objective: str) -> None:
        numbers = np.tile([*USABLE, 1e-30, LARGEST], 30)
        NumberTarget.check(numbers, objective)
        dataset = lgb.Dataset(np.arange(len(numbers), dtype=float)[:, None], numbers)
        model = lgb.train({**DETERMINISTIC, **NumberTarget.parameters, "objective": objective}, dataset, 2)
        assert model.num_trees() > 0

    @pytest.mark.parametrize("objective", sorted({*NumberTarget.objectives} - {*AT_LEAST_ZERO}))
    def test_accepts_any_sign(self, objective: str) -> None:
        NumberTarget.check(np.array([-LARGEST, -1.0, 0.0, LARGEST]), objective)

    @pytest.mark.parametrize(
        ("objective", "least", "allowed"),
        [("poisson", 0.0, "from 0 to 3.4e"), ("tweedie", 0.0, "from 0 to 3.4e"), ("gamma", 1e-30, "above 0 to 3.4e")],
    )
    def test_accepts_the_least_number_of_the_objective_and_refuses_less(
        self, objective: str, least: float, allowed: str
    ) -> None:
        NumberTarget.check(np.array([*USABLE, least]), objective)
        less = -1e-30 if least == 0 else 0.0
        problem = f"2 of 6 rows have a target that the objective {objective} cannot take: it takes numbers {allowed}"
        with pytest.raises(ValueError, match=problem):
            NumberTarget.check(np.array([*USABLE, less, -7.0]), objective)

    @pytest.mark.parametrize("objective", AT_LEAST_ZERO)
    def test_refuses_what_lightgbm_refuses(self, objective: str) -> None:
        """LightGBM keeps targets as numbers of 32 bits: 1e-50 is zero, which gamma does not take."""
        features = np.arange(100, dtype=float)[:, None]
        for odd in (-1.0, -1e-30, 0.0, 1e-50, 1e-46):
            target = np.array([odd, *np.resize(USABLE, 99)])
            try:
                lgb.train({**DETERMINISTIC, "objective": objective}, lgb.Dataset(features, target), 1)
            except lgb.basic.LightGBMError:
                with pytest.raises(ValueError, match="1 of 100 rows have a target"):
                    NumberTarget.check(target, objective)
            else:
                NumberTarget.check(target, objective)

    @pytest.mark.parametrize("number", [3.5e38, -3.5e38, 1e300])
    @pytest.mark.parametrize("objective", NumberTarget.objectives)
    def test_refuses_numbers_that_lightgbm_cannot_keep(self, objective: str, number: float) -> None:
        with pytest.raises(ValueError, match=r"1 of 5 rows .* to 3\.4e\+38; leave them out, or rescale it"):
            NumberTarget.check(np.array([*USABLE, number]), objective)


class TestNumberTargetCalibrate:
    @pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95])
    def test_covers_new_rows_of_the_same_kind(self, number_model: Booster, level: float) -> None:
        NumberTarget.calibrate(number_model, *draw(5000, seed=1), ARGMAX, level)
        features, truth = draw(20_000, seed=2)
        _, (low, high) = NumberTarget.label(predict_raw(number_model, features), number_model)
        covered = (low <= truth) & (truth <= high)
        assert get_kept(number_model, "interval")["level"] == level
        assert covered.mean() == pytest.approx(level, abs=0.02)

    def test_covers_a_new_row_on_average_however_few_rows_calibrate(self) -> None:
        """Split conformal covers at least the level, and at most 1 / (n + 1) more."""
        generator, model, covered = np.random.default_rng(3), make_exact_model(), []
        features = pd.DataFrame({"x": np.arange(12.0)})
        for _ in range(300):
            NumberTarget.calibrate(model, features, generator.normal(size=12), ARGMAX, 0.75)
            covered.append((np.abs(generator.normal(size=500)) <= get_kept(model, "interval")["radius"]).mean())
        assert np.mean(covered) == pytest.approx(10 / 13, abs=0.02)

    def test_takes_the_error_of_the_rank_that_the_source_gives(self) -> None:
        model, errors = make_exact_model(), np.random.default_rng(4).permutation(np.arange(1.0, 20.0))
        for level, rank in ((0.5, 10), (0.9, 18), (0.95, 19), (0.01, 1)):
            NumberTarget.calibrate(model, pd.DataFrame({"x": np.arange(19.0)}), -errors, ARGMAX, level)
            assert get_kept(model, "interval") == {"level": level, "radius": float(rank)}

    @pytest.mark.parametrize(("rows", "level"), [(18, 0.95), (8, 0.9), (1, 0.6), (100, 0.995), (100, 1.0)])
    def test_refuses_too_few_rows(self, rows: int, level: float) -> None:
        features = pd.DataFrame({"x": np.arange(float(rows))})
        with pytest.raises(ValueError, match=f"{rows} validation rows are too few for interval={level}: lower it"):
            NumberTarget.calibrate(make_exact_model(), features, np.ones(rows), ARGMAX, level)

    def test_needs_one_row_more(self) -> None:
        for rows, level in ((19, 0.95), (9, 0.9), (2, 0.6)):
            features = pd.DataFrame({"x": np.arange(float(rows))})
            NumberTarget.calibrate(make_exact_model(), features, np.ones(rows), ARGMAX, level)

    def test_keeps_no_interval_unless_told(self) -> None:
        model = make_exact_model()
        NumberTarget.calibrate(model, pd.DataFrame({"x": [1.0, 2.0]}), np.ones(2), ARGMAX, 0.0)
        assert get_kept(model, "interval") == {}
        assert get_kept(model, "error_model") != {}

    @pytest.mark.parametrize("interval", [0.0, 0.9])
    def test_refuses_a_decision(self, interval: float) -> None:
        features = pd.DataFrame({"x": np.arange(20.0)})
        with pytest.raises(SettingError, match="decision is about classes, and the target is a number: set it to argm"):
            NumberTarget.calibrate(make_exact_model(), features, np.ones(20), "1>=0.5", interval)

    def test_learns_where_the_error_is_great(self, number_model: Booster) -> None:
        NumberTarget.calibrate(number_model, *draw(5000, seed=5), ARGMAX, 0.0)
        features, truth = draw(20_000, seed=6)
        expected, error = predict_errors(number_model, features), np.abs(truth - predict_raw(number_model, features))
        assert np.corrcoef(expected, features["width"])[0, 1] > 0.8
        assert expected.mean() == pytest.approx(error.mean(), rel=0.05)
        for is_wide in (features["width"] > 1.5, features["width"] < 0.5):
            assert expected[is_wide].mean() == pytest.approx(error[is_wide].mean(), rel=0.1)

    @pytest.mark.parametrize("rows", [1, 2, 30])
    def test_expects_the_mean_error_of_few_rows(self, number_model: Booster, rows: int) -> None:
        features, target = draw(rows, seed=7)
        NumberTarget.calibrate(number_model, features, target, ARGMAX, 0.0)
        error = np.abs(target - predict_raw(number_model, features)).mean()
        assert predict_errors(number_model, features) == pytest.approx(error, rel=1e-5)

    def test_is_the_same_each_time(self, number_model: Booster) -> None:
        kept = []
        for _ in range(2):
            NumberTarget.calibrate(number_model, *draw(500, seed=8), ARGMAX, 0.9)
            kept.append([get_kept(number_model, name) for name in ("interval", "error_model")])
        assert kept[0] == kept[1]

    def test_is_kept_in_the_file_of_the_model(self, number_model: Booster) -> None:
        NumberTarget.calibrate(number_model, *draw(500, seed=9), ARGMAX, 0.9)
        content = LightGBMModelProcessor().serialize(number_model)
        loaded = LightGBMModelProcessor().deserialize(content)
        for name in ("interval", "error_model"):
            assert get_kept(loaded, name) == get_kept(number_model, name) != {}
        features, _ = draw(300, seed=10)
        assert predict_errors(loaded, features).tobytes() == predict_errors(number_model, features).tobytes()
        assert predict_raw(loaded, features).tobytes() == predict_raw(number_model, features).tobytes()
        assert LightGBMModelProcessor().serialize(loaded) == content
        plain = lgb.Booster(model_str=content.decode())
        assert np.asarray(plain.predict(features)).tobytes() == predict_raw(number_model, features).tobytes()


class TestNumberTargetLabel:
    RAW = np.array([1.5, -2.0, 0.0])

    @pytest.mark.parametrize("raw", [RAW, RAW[:, None]])
    def test_gives_the_number_without_an_interval(self, raw: np.ndarray) -> None:
        predicted, bounds = NumberTarget.label(raw, make_exact_model())
        assert predicted.tolist() == [1.5, -2.0, 0.0]
        assert bounds == []

    def test_gives_its_bounds_with_an_interval(self) -> None:
        model = make_exact_model()
        keep(model, "interval", {"level": 0.9, "radius": 0.5})
        predicted, (low, high) = NumberTarget.label(self.RAW, model)
        assert predicted.tolist() == [1.5, -2.0, 0.0]
        assert low.tolist() == [1.0, -2.5, -0.5]
        assert high.tolist() == [2.0, -1.5, 0.5]

    def test_gives_bounds_with_an_interval_of_no_width(self) -> None:
        model = make_exact_model()
        NumberTarget.calibrate(model, pd.DataFrame({"x": np.arange(20.0)}), np.zeros(20), ARGMAX, 0.9)
        predicted, (low, high) = NumberTarget.label(self.RAW, model)
        assert low.tolist() == high.tolist() == predicted.tolist()

    def test_labels_no_rows(self, number_model: Booster) -> None:
        keep(number_model, "interval", {"level": 0.9, "radius": 0.5})
        predicted, bounds = NumberTarget.label(predict_raw(number_model, draw(1, seed=0)[0][:0]), number_model)
        assert [(each.shape, each.dtype.kind) for each in (predicted, *bounds)] == [((0,), "f")] * 3


class TestClassTarget:
    def test_is_the_target_of_the_table(self) -> None:
        assert isinstance(TARGET, ClassTarget)
        assert TARGET.parameters == {"metric": "multi_logloss", "num_class": 3}
        TARGET.check(np.array([0, 1, 2]), "multiclass")

    @pytest.mark.parametrize("decision", [ARGMAX, "1:f1"])
    def test_refuses_an_interval(self, model: Booster, parts: Parts, decision: str) -> None:
        features, target = select_features(parts[1], {}), encode_target(PreprocessedSchema, parts[1]).to_numpy()
        with pytest.raises(SettingError, match="interval is about a target that is a number: set it to 0, and see wit"):
            ClassTarget.calibrate(model, features, target, decision, 0.9)

    def test_keeps_nothing_for_the_most_probable_class(self, model: Booster, parts: Parts) -> None:
        features, target = select_features(parts[1], {}), encode_target(PreprocessedSchema, parts[1]).to_numpy()
        before = LightGBMModelProcessor().serialize(model)
        ClassTarget.calibrate(model, features, target, ARGMAX, 0.0)
        assert LightGBMModelProcessor().serialize(model) == before
        assert get_kept(model, "decision") == {}

    @pytest.mark.parametrize("text", ["1>=0.02", "1:recall>=0.5", "1:f1"])
    def test_decides_by_what_the_file_of_the_model_keeps(self, model: Booster, parts: Parts, text: str) -> None:
        plain = PredTask.predict(model, parts[2])
        features, target = select_features(parts[1], {}), encode_target(PreprocessedSchema, parts[1]).to_numpy()
        ClassTarget.calibrate(model, features, target, text, 0.0)
        loaded = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(model))
        decision = get_kept(loaded, "decision")
        assert (decision["text"], decision["class"], math.isfinite(decision["threshold"])) == (text, 1, True)
        decided = PredTask.predict(loaded, parts[2])
        assert decided.drop(columns="pred").equals(plain.drop(columns="pred"))
        is_decided = decided["probability_1"] >= decision["threshold"]
        assert (decided["pred"] == 1).tolist() == is_decided.tolist()
        others = decided[["probability_0", "probability_2"]].idxmax(axis=1).str[-1].astype(int)
        assert decided["pred"][~is_decided].tolist() == others[~is_decided].tolist()
        assert 0 < is_decided.sum() < len(decided)
