from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors
from pandera.typing import Series
from support.fruits import FruitSchema

from gokart_pipeline_sample.io.lightgbm_model import (
    LightGBMModelProcessor,
    get_categories,
    get_kept,
    keep,
    number_categories,
)
from gokart_pipeline_sample.pipeline import pred, train
from gokart_pipeline_sample.pipeline.fitted_features import FittedFeatures
from gokart_pipeline_sample.pipeline.model import model_input
from gokart_pipeline_sample.pipeline.model.model_input import encode_features, encode_target
from gokart_pipeline_sample.pipeline.schemas.base import ID, TARGET, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


class Schema(PreprocessedSchema):
    largest: Series[float]


FITTED = FittedFeatures(
    fit=lambda train: {"largest": float(train["petal_length"].max()), "rows": len(train)},
    add=lambda data, fitted: data.assign(largest=data["petal_length"] / fitted["largest"]),
    schema=Schema,
)


@pytest.fixture
def fitted_features(monkeypatch: pytest.MonkeyPatch) -> FittedFeatures:
    for module in (train, model_input):
        monkeypatch.setattr(module, "FITTED_FEATURES", FITTED)
    return FITTED


class TestFittedFeatures:
    @pytest.mark.usefixtures("fitted_features")
    def test_know_nothing_of_validation_and_test_rows(self, preprocessed: pd.DataFrame) -> None:
        train, valid, test = SplitDataTask.split(preprocessed, test_fraction=0.2, valid_fraction=0.2, random_state=42)
        # Planted where nothing may be learned from.
        valid, test = valid.assign(petal_length=1000.0), test.assign(petal_length=2000.0)
        model = TrainTask.fit(train, valid, num_boost_round=3)
        assert get_kept(model, "fitted_features") == {"largest": train["petal_length"].max(), "rows": len(train)}
        assert model_input.select_features(test, get_kept(model, "fitted_features"))["largest"].min() > 200

    def test_are_applied_by_training_and_prediction_alike(
        self, fitted_features: FittedFeatures, parts: Parts, parameters: dict[str, Any]
    ) -> None:
        fitted = fitted_features.fit(parts[0])
        model = TrainTask.fit(parts[0], parts[1], **parameters)
        assert model.num_feature() == len(Schema.feature_columns())
        loaded = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(model))
        assert get_kept(loaded, "fitted_features") == fitted
        predicted = pred.PredTask.predict(loaded, parts[2])
        expected = model.predict(encode_features(Schema, fitted_features.add(parts[2], fitted)))
        assert (predicted.filter(like="probability_").to_numpy() == expected).all()

    def test_are_for_training_as_they_are_read_from_the_file_of_the_model(
        self, parts: Parts, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        added: list[dict[str, Any]] = []
        numbered = FittedFeatures(
            fit=lambda _: {"by_class": {0: 0.5}},
            add=lambda data, fitted: added.append(fitted) or data.assign(largest=1.0),
            schema=Schema,
        )
        for module in (train, model_input):
            monkeypatch.setattr(module, "FITTED_FEATURES", numbered)
        model = TrainTask.fit(parts[0], parts[1], num_boost_round=3)
        assert len(added) >= 2
        assert added == [{"by_class": {"0": 0.5}}] * len(added)
        assert (
            get_kept(LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(model)), "fitted_features")
            == added[0]
        )

    @pytest.mark.usefixtures("fitted_features")
    def test_break_their_schema_with_a_name(self, parts: Parts) -> None:
        with pytest.raises(SchemaErrors, match="largest"):
            model_input.select_features(parts[2], {"largest": 0.0})

    def test_are_kept_in_a_file_that_lightgbm_reads(self, model: lgb.Booster, parts: Parts) -> None:
        features = encode_features(PreprocessedSchema, parts[2])
        plain = LightGBMModelProcessor().serialize(model)
        assert b"fitted_features" not in plain
        keep(model, "fitted_features", {"ä": [1.5, None], "\npandas_categorical:": "x"})
        content = LightGBMModelProcessor().serialize(model)
        assert get_kept(LightGBMModelProcessor().deserialize(content), "fitted_features") == get_kept(
            model, "fitted_features"
        )
        read = lgb.Booster(model_str=content.decode())
        assert (read.predict(features) == model.predict(features)).all()


class TestCategories:
    @pytest.fixture
    def text(self) -> pd.DataFrame:
        generator = np.random.default_rng(0)
        return pd.DataFrame(
            {
                "width": generator.normal(size=300),
                "city": pd.Series(generator.choice(["b", "a", "c"], 300)).astype("category"),
                "color": pd.Series(generator.choice(["red", "blue"], 300)).astype("category"),
            }
        )

    @pytest.fixture
    def trained(self, text: pd.DataFrame) -> lgb.Booster:
        label = (text["city"].astype("str") == "a").astype(int)
        return lgb.train({"objective": "binary", "verbosity": -1}, lgb.Dataset(text, label=label), 5)

    def test_are_kept_with_the_model(self, text: pd.DataFrame, trained: lgb.Booster) -> None:
        loaded = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(trained))
        assert get_categories(loaded, text) == {"city": ["a", "b", "c"], "color": ["blue", "red"]}

    def test_are_encoded_as_lightgbm_does(self, text: pd.DataFrame, trained: lgb.Booster) -> None:
        rows = text[:3].assign(city=pd.Series(["new", "c", None]).astype("category"))
        encoded = number_categories(trained, rows).to_numpy(dtype=float)
        assert np.isnan(encoded[:, 1]).tolist() == [True, False, True]
        assert (trained.predict(encoded) == trained.predict(rows)).all()


def test_unseen_values_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = pd.DataFrame({"city": pd.Series(["new", "c", None, "new", "b"]).astype("category")})
    monkeypatch.setattr(model_input, "select_features", lambda *_: rows)
    monkeypatch.setattr(PreprocessedSchema, "open_text_columns", lambda: ["city"])
    monkeypatch.setattr(model_input, "get_categories", lambda *_: {"city": ["b"]})
    counts = model_input.count_unseen(lgb.Booster.__new__(lgb.Booster), rows)
    assert {name: found.to_dict() for name, found in counts.items()} == {"city": {"new": 2, "c": 1}}


class TestEncodeFeatures:
    def test_are_neither_the_id_nor_the_target(self, flowers: pd.DataFrame) -> None:
        features = encode_features(IrisFeatureSchema, flowers)
        assert features.columns.tolist() == ["sepal_length", "sepal_width", "petal_length", "petal_width"]

    def test_are_categories_if_they_are_text(self, fruits: pd.DataFrame) -> None:
        features = encode_features(FruitSchema, fruits)
        assert features.columns.tolist() == ["color", "shape", "weight", "number of seeds"]
        assert features["color"].cat.codes.tolist() == [2, -1, 1]
        assert features["shape"].cat.codes.tolist() == [0, 1, 1]
        assert features[["weight", "number of seeds"]].equals(fruits[["weight", "number of seeds"]])

    @pytest.mark.parametrize("rows", [0, 1, 2, 3])
    def test_have_all_categories_whatever_rows_are_there(self, fruits: pd.DataFrame, rows: int) -> None:
        features = encode_features(FruitSchema, fruits[:rows])
        assert features["color"].cat.categories.tolist() == ["blue", "green", "red"]
        assert features["shape"].cat.categories.tolist() == ["long", "round"]

    def test_have_the_categories_that_occur_if_the_schema_lists_none(self) -> None:
        class Schema(BaseSchema):
            note: Series[str] = pa.Field(nullable=True)
            color: Series[str] = pa.Field(isin=["red"])
            size: Series[float]
            count: Series[np.uint8]

        assert Schema.open_text_columns() == ["note"]
        features = encode_features(
            Schema, pd.DataFrame({"note": ["b", None, "a"], "color": "red", "size": 1.0, "count": 1})
        )
        assert features["note"].cat.codes.tolist() == [1, -1, 0]

    def test_are_numbers_that_lightgbm_takes(self) -> None:
        class Schema(BaseSchema):
            day: Series[pd.Timestamp] = pa.Field(nullable=True)
            count: Series[pd.Int64Dtype] = pa.Field(nullable=True)
            known: Series[pd.BooleanDtype] = pa.Field(nullable=True)
            new: Series[bool]

        columns = {
            "day": pd.to_datetime(["1970-01-02 12:00", None]).astype("datetime64[ns]"),
            "count": pd.array([3, None], dtype="Int64"),
            "known": pd.array([True, None], dtype="boolean"),
            "new": [True, False],
        }
        features = encode_features(Schema, pd.DataFrame(columns))
        assert features.iloc[0].tolist() == [1.5, 3.0, 1.0, True]
        assert features.iloc[1].isna().tolist() == [True, True, True, False]
        assert [dtype.kind for dtype in features.dtypes] == ["f", "f", "f", "b"]


class WeightSchema(BaseSchema):
    """Fruits whose weight is predicted."""

    id: Series[int] = pa.Field(metadata=ID)
    weight: Series[float] = pa.Field(metadata=TARGET | {"unit": "g"})


class TestEncodeTarget:
    def test_takes_numbers_whose_squares_can_be_summed(self) -> None:
        target = encode_target(WeightSchema, pd.DataFrame({"id": [1, 2, 3], "weight": [1.5, 1e300, -1e300]}))
        assert target.tolist() == [1.5, 1e145, -1e145]
        assert np.isfinite((target**2).sum() * 1e9)
        assert (WeightSchema.predicts_number(), WeightSchema.target_unit()) == (True, "g")

    def test_takes_classes_of_text(self, fruits: pd.DataFrame) -> None:
        assert FruitSchema.target_classes() == ["raw", "ripe"]
        assert encode_target(FruitSchema, fruits).tolist() == [1, 0, 1]

    def test_is_the_number_of_the_class(self, flowers: pd.DataFrame) -> None:
        assert encode_target(IrisFeatureSchema, flowers).tolist() == [0, 2]

    def test_keeps_the_rows_apart_from_their_order(self, flowers: pd.DataFrame) -> None:
        assert encode_target(IrisFeatureSchema, flowers[::-1]).loc[0] == 0

    def test_names_a_missing_target(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            encode_target(IrisFeatureSchema, flowers.drop(columns="target"))
