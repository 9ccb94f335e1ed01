from __future__ import annotations

import json
import logging
from pathlib import Path

import pandas as pd
import pytest

from gokart_pipeline_sample.io.damage import discard_if_damaged
from gokart_pipeline_sample.io.lightgbm_model import Booster


@pytest.fixture(params=["frame.parquet", "model.txt", "curve.json"])
def whole(request: pytest.FixtureRequest, tmp_path: Path, flowers: pd.DataFrame, model: Booster) -> Path:
    path = tmp_path / request.param
    contents = {
        ".parquet": lambda: flowers.to_parquet(),
        ".txt": lambda: model.model_to_string().encode(),
        ".json": lambda: json.dumps({"valid": {"loss": [1.0]}}).encode(),
    }
    path.write_bytes(contents[path.suffix]())
    return path


class TestDiscardIfDamaged:
    def test_keeps_a_whole_file(self, whole: Path) -> None:
        assert not discard_if_damaged(str(whole))
        assert whole.exists()

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_deletes_a_file_that_was_cut_off_and_says_so(
        self, whole: Path, share: float, caplog: pytest.LogCaptureFixture
    ) -> None:
        content = whole.read_bytes()
        whole.write_bytes(content[: int(len(content) * share)])
        with caplog.at_level(logging.WARNING):
            assert discard_if_damaged(str(whole))
        assert not whole.exists()
        assert f"{whole} is damaged: it is made again" in caplog.text

    def test_leaves_a_url_alone(self) -> None:
        assert not discard_if_damaged("s3://bucket/output.csv")
