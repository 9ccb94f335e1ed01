from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from gokart_pipeline_sample.io.damage import is_damaged
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


class TestIsDamaged:
    def test_a_whole_file_is_not(self, whole: Path) -> None:
        assert not is_damaged(str(whole))

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_a_file_that_was_cut_off_is(self, whole: Path, share: float) -> None:
        content = whole.read_bytes()
        whole.write_bytes(content[: int(len(content) * share)])

        assert is_damaged(str(whole))
        assert whole.exists()

    def test_a_file_that_is_not_there_is_not(self, tmp_path: Path) -> None:
        assert not is_damaged(str(tmp_path / "frame.parquet"))

    def test_a_url_is_taken_for_whole(self) -> None:
        assert not is_damaged("s3://bucket/output.csv")
