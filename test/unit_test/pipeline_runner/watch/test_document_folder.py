from __future__ import annotations

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

    def test_deletes_documents(self, tmp_path: Path) -> None:
        folder = DocumentFolder(str(tmp_path), BUCKET_ENCRYPTION)
        folder.write("a.json", b"one", "application/json")
        for _ in range(2):
            folder.delete("a.json")
        assert folder.names() == []

    def test_says_that_there_is_no_such_document(self, tmp_path: Path) -> None:
        with pytest.raises(FileNotFoundError, match=r"a\.json"):
            DocumentFolder(str(tmp_path), BUCKET_ENCRYPTION).read("a.json")
