from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.io import compiled_model
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.pred import PredTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


class TestPredict:
    def test_gives_each_row_its_most_probable_class(self, model: Booster, parts: Parts) -> None:
        test = parts[2]
        prediction = PredTask.predict(model, test)
        assert prediction.columns.tolist() == ["id", "pred", "probability_0", "probability_1", "probability_2"]
        assert prediction["id"].tolist() == test["id"].tolist()
        probabilities = prediction.filter(like="probability_").to_numpy()
        assert prediction["pred"].tolist() == probabilities.argmax(axis=1).tolist()
        assert probabilities.sum(axis=1) == pytest.approx(1)

    def test_permuting_the_rows_permutes_the_predictions(self, model: Booster, parts: Parts) -> None:
        test = parts[2]
        shuffled = test.sample(frac=1, random_state=1, ignore_index=True)
        assert not shuffled["id"].equals(test["id"])
        expected = PredTask.predict(model, test).set_index("id").loc[shuffled["id"]].reset_index()
        assert PredTask.predict(model, shuffled).equals(expected)

    def test_needs_no_target(self, model: Booster, parts: Parts) -> None:
        test = parts[2]
        unlabelled = PredTask.predict(model, test.drop(columns="target"))
        assert unlabelled.equals(PredTask.predict(model, test))

    def test_takes_rows_that_share_labels(self, model: Booster, parts: Parts) -> None:
        batches = pd.concat([parts[2][:10].reset_index(drop=True), parts[2][10:].reset_index(drop=True)])
        assert PredTask.predict(model, batches).reset_index(drop=True).equals(PredTask.predict(model, parts[2]))

    def test_takes_one_row(self, model: Booster, parts: Parts) -> None:
        test = parts[2]
        assert PredTask.predict(model, test[:1]).equals(PredTask.predict(model, test)[:1])

    def test_takes_no_rows(self, model: Booster, parts: Parts) -> None:
        test = parts[2]
        prediction = PredTask.predict(model, test[:0])
        assert prediction.empty
        assert prediction.dtypes.equals(PredTask.predict(model, test).dtypes)

    @pytest.mark.parametrize("is_right", [True, False])
    def test_gives_many_rows_the_bits_of_lightgbm(
        self,
        model: Booster,
        parts: Parts,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
        is_right: bool,
    ) -> None:
        few = PredTask.predict(model, parts[2])
        copies = compiled_model.FIRST_ROWS // len(few) + 1
        many = pd.concat([parts[2]] * copies, ignore_index=True)
        if not is_right:
            monkeypatch.setattr(compiled_model.FastModel, "predict", lambda _, rows: np.full((len(rows), 3), 1 / 3))
        found = PredTask.predict(model, many.assign(id=range(len(many))))
        expected = pd.concat([few] * copies, ignore_index=True)
        assert found.drop(columns="id").equals(expected.drop(columns="id"))
        assert ("does not predict what LightGBM predicts: it predicts all rows" in caplog.text) == (not is_right)

    def test_names_a_missing_feature_even_without_rows(self, model: Booster, parts: Parts) -> None:
        with pytest.raises(SchemaErrors, match="petal_area"):
            PredTask.predict(model, parts[2][:0].drop(columns="petal_area"))

    def test_names_a_missing_feature(self, model: Booster, parts: Parts) -> None:
        with pytest.raises(SchemaErrors, match="petal_area"):
            PredTask.predict(model, parts[2].drop(columns="petal_area"))
