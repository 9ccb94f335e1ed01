from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import luigi
import pandas as pd
import pytest
from gokart.conflict_prevention_lock.task_lock import make_task_lock_params

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io.file_formats import PROCESSORS
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.targets import LocalWorkspaceTarget


def make_target(path: Path) -> LocalWorkspaceTarget:
    processor = {**PROCESSORS, ".txt": LightGBMModelProcessor()}[path.suffix]
    return LocalWorkspaceTarget(str(path), processor, make_task_lock_params(str(path), None))


@pytest.fixture(params=["frame.parquet", "model.txt", "curve.json"])
def whole(request: pytest.FixtureRequest, tmp_path: Path, flowers: pd.DataFrame, model: Booster) -> Path:
    path = tmp_path / request.param
    objects = {".parquet": flowers, ".txt": model, ".json": {"valid": {"loss": [1.0]}}}
    make_target(path).dump(objects[path.suffix])
    return path


def digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


class TestWorkspaceTarget:
    def test_exists_if_the_file_is_as_it_was_written(self, whole: Path) -> None:
        assert make_target(whole).exists()

    def test_keeps_the_digest_as_sha256sum_does(self, whole: Path) -> None:
        subprocess.run(["/usr/bin/sha256sum", "--check", "--strict", digest_of(whole)], cwd=whole.parent, check=True)

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
    def test_does_not_exist_if_the_file_was_cut_off(self, whole: Path, share: float) -> None:
        content = whole.read_bytes()
        whole.write_bytes(content[: int(len(content) * share)])

        assert not make_target(whole).exists()
        assert whole.exists()

    @pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.999])
    def test_neither_exists_nor_loads_if_a_bit_was_flipped(self, whole: Path, share: float) -> None:
        content = bytearray(whole.read_bytes())
        content[int(len(content) * share)] ^= 1
        whole.write_bytes(content)

        assert not make_target(whole).exists()
        with pytest.raises(DamagedFileError, match=f"{whole} is not what the pipeline has written: run again"):
            make_target(whole).load()

    def test_does_not_exist_with_the_content_of_another_run(self, tmp_path: Path) -> None:
        older, newer = tmp_path / "split_1.json", tmp_path / "split_2.json"
        for path in (older, newer):
            make_target(path).dump({"rows": path.name})
        shutil.copy(older, newer)
        assert not make_target(newer).exists()
        shutil.copy(digest_of(older), digest_of(newer))
        assert not make_target(newer).exists()
        with pytest.raises(DamagedFileError):
            make_target(newer).load()

    @pytest.mark.parametrize("content", [None, b"", b"\0", b"0" * 64])
    def test_does_not_exist_without_its_digest(self, whole: Path, content: bytes | None) -> None:
        if content is None:
            digest_of(whole).unlink()
        else:
            digest_of(whole).write_bytes(content)
        assert not make_target(whole).exists()
        with pytest.raises(DamagedFileError):
            make_target(whole).load()

    def test_does_not_wait_for_a_fifo(self, whole: Path) -> None:
        for path in (whole, digest_of(whole)):
            path.unlink()
            os.mkfifo(path)
            assert not make_target(whole).exists()

    def test_does_not_exist_if_the_file_is_not_there(self, tmp_path: Path) -> None:
        target = make_target(tmp_path / "frame.parquet")
        assert not target.exists()

    def test_replaces_a_damaged_file_and_says_so(
        self, tmp_path: Path, flowers: pd.DataFrame, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "frame.parquet"
        path.write_bytes(b"PAR1")

        make_target(path).dump(flowers)

        assert f"{path} is damaged: it is made again" in caplog.text
        assert make_target(path).load().equals(flowers)

    def test_says_nothing_when_an_intact_file_is_replaced(self, whole: Path, caplog: pytest.LogCaptureFixture) -> None:
        target = make_target(whole)
        target.dump(target.load())
        assert caplog.text == ""

    def test_a_process_that_dies_between_file_and_digest_leaves_nothing_that_counts(
        self, whole: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        target = make_target(whole)
        obj = target.load()
        open_file = luigi.LocalTarget.open

        def open_unless_digest(file: luigi.LocalTarget, mode: str) -> object:
            return pytest.fail("killed") if str(file.path).endswith(".sha256") else open_file(file, mode)

        monkeypatch.setattr(luigi.LocalTarget, "open", open_unless_digest)
        digest_of(whole).write_bytes(b"of an older content")
        with pytest.raises(pytest.fail.Exception):
            target.dump(obj)
        assert not make_target(whole).exists()

    def test_is_removed_with_its_digest(self, whole: Path) -> None:
        make_target(whole).remove()
        assert list(whole.parent.iterdir()) == []
