from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION
from pipeline_runner.watch.document_folder import DocumentFolder


class TestLocalFolder:
    def test_has_no_documents_before_it_is_there(self, tmp_path: Path) -> None:
        assert DocumentFolder(str(tmp_path / "folder"), BUCKET_ENCRYPTION).names() == []
        assert not (tmp_path / "folder").exists()

    def test_keeps_documents(self, tmp_path: Path) -> None:
        folder = DocumentFolder(f"{tmp_path}/folder/", BUCKET_ENCRYPTION)
        folder.write("b.json", b"two", "application/json")
        folder.write("a.json", b"one", "application/json")
        folder.write("b.json", b"three", "application/json")
        assert folder.names() == ["a.json", "b.json"]
        assert folder.read("b.json") == b"three"
        assert Path(folder.locate("a.json")).read_bytes() == b"one"

    def test_leaves_nothing_half_written_on_a_full_disk(self, tmp_path: Path) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(tmp_path)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("only root may mount a small disk")
        try:
            with pytest.raises(OSError, match="No space left on device"):
                DocumentFolder(f"{tmp_path}/runs", BUCKET_ENCRYPTION).write("a.json", b"1" * 100_000, "text/plain")
            assert list((tmp_path / "runs").iterdir()) == []
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607

    def test_deletes_documents(self, tmp_path: Path) -> None:
        folder = DocumentFolder(str(tmp_path), BUCKET_ENCRYPTION)
        folder.write("a.json", b"one", "application/json")
        for _ in range(2):
            folder.delete("a.json")
        assert folder.names() == []

    def test_says_that_there_is_no_such_document(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"a\.json"):
            DocumentFolder(str(tmp_path), BUCKET_ENCRYPTION).read("a.json")
