from __future__ import annotations

from pathlib import Path

import gokart.target
import pandas as pd
import pytest

from gokart_pipeline_sample.io.file_formats import PROCESSORS
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.workspace_target import WorkspaceTarget


def make_target(path: Path | str) -> WorkspaceTarget:
    processors = {**PROCESSORS, ".txt": LightGBMModelProcessor()}
    return WorkspaceTarget(gokart.target.make_target(str(path), processor=processors[Path(path).suffix]))


@pytest.fixture(params=["frame.parquet", "model.txt", "curve.json"])
def whole(request: pytest.FixtureRequest, tmp_path: Path, flowers: pd.DataFrame, model: Booster) -> Path:
    path = tmp_path / request.param
    objects = {".parquet": flowers, ".txt": model, ".json": {"valid": {"loss": [1.0]}}}
    make_target(path).dump(objects[path.suffix])
    return path


class TestWorkspaceTarget:
    def test_exists_if_the_file_is_whole(self, whole: Path) -> None:
        assert make_target(whole).exists()

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_does_not_exist_if_the_file_was_cut_off(self, whole: Path, share: float) -> None:
        content = whole.read_bytes()
        whole.write_bytes(content[: int(len(content) * share)])

        assert not make_target(whole).exists()
        assert whole.exists()

    def test_does_not_exist_if_the_file_is_not_there(self, tmp_path: Path) -> None:
        target = make_target(tmp_path / "frame.parquet")
        assert not target.exists()
        assert target.find_missing() == [target.path()]

    def test_replaces_a_damaged_file_and_says_so(
        self, tmp_path: Path, flowers: pd.DataFrame, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "frame.parquet"
        path.write_bytes(b"PAR1")

        make_target(path).dump(flowers)

        assert f"{path} is damaged: it is made again" in caplog.text
        assert make_target(path).load().equals(flowers)

    def test_says_nothing_when_a_file_is_replaced_that_was_whole(
        self, whole: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        target = make_target(whole)
        target.dump(target.load())
        assert caplog.text == ""

    def test_needs_its_companion(self, tmp_path: Path) -> None:
        target, companion = (make_target(tmp_path / f"{name}.json") for name in ("a", "b"))
        assert target.with_companion(companion) is target
        target.dump({})
        assert not target.exists()
        assert target.find_missing() == [companion.path()]
        companion.dump({})
        assert target.exists()
