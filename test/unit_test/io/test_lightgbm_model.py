from __future__ import annotations

from pathlib import Path

import lightgbm
import pandas as pd

from gokart_pipeline_sample.io.lightgbm_model import (
    Booster,
    LightGBMModelProcessor,
    get_kept,
    keep,
)
from gokart_pipeline_sample.pipeline.pred import PredTask


class TestLightGBMModelProcessor:
    def test_gives_back_a_model_that_predicts_the_same_bits(
        self, model: Booster, parts: tuple[pd.DataFrame, ...]
    ) -> None:
        loaded = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(model))
        assert PredTask.predict(loaded, parts[2]).equals(PredTask.predict(model, parts[2]))

    def test_writes_what_lightgbm_reads(self, model: Booster, tmp_path: Path) -> None:
        path = tmp_path / "model.txt"
        path.write_bytes(LightGBMModelProcessor().serialize(model))
        assert lightgbm.Booster(model_file=path).feature_name() == model.feature_name()

    def test_keeps_the_learning_curve(self, model: Booster) -> None:
        curve = {"train": {"multi_logloss": [1.0, 0.5]}, "valid": {"multi_logloss": [1.0, 0.75]}}
        annotated = lightgbm.Booster(model_str=model.model_to_string())
        assert get_kept(annotated, "learning_curve") == {}
        keep(annotated, "learning_curve", curve)
        content = LightGBMModelProcessor().serialize(annotated)
        assert get_kept(LightGBMModelProcessor().deserialize(content), "learning_curve") == curve
