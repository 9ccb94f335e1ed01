"""Records and reports are kept on S3, too, if the workspace is there."""

from __future__ import annotations

import pytest
from mypy_boto3_s3 import S3Client

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION, client_of_process
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3
from pipeline_runner.watch.document_folder import DocumentFolder


@pytest.fixture
def folder(server: EmbeddedS3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> DocumentFolder:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    # Another test of this process may have asked for a client without credentials.
    client_of_process.cache_clear()
    return DocumentFolder(f"s3://{bucket}/work/runs", BUCKET_ENCRYPTION)


def test_a_folder_on_s3_keeps_documents(folder: DocumentFolder, bucket: str, s3: S3Client) -> None:
    assert folder.names() == []
    for name, content in (("b.html", b"two"), ("a.json", b"one"), ("b.html", b"three")):
        folder.write(name, content, "text/html")
    s3.put_object(Bucket=bucket, Key="work/runs-of-others/c.json", Body=b"")

    assert folder.names() == ["a.json", "b.html"]
    assert folder.names(".html") == ["b.html"]
    assert folder.read("b.html") == b"three"
    assert folder.locate("b.html") == f"s3://{bucket}/work/runs/b.html"
    assert s3.head_object(Bucket=bucket, Key="work/runs/b.html")["ContentType"] == "text/html"

    folder.delete("b.html")
    assert folder.names() == ["a.json"]
    with pytest.raises(S3Error, match=r"work/runs/b\.html: S3 refuses to read it"):
        folder.read("b.html")
