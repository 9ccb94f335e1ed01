"""Records and reports are kept on S3, too, if the workspace is there."""

from __future__ import annotations

import json
from typing import get_type_hints

import pytest
from mypy_boto3_s3 import S3Client

from gokart_pipeline_sample.io.s3 import client_of_process
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3
from pipeline_runner.watch.history import History, RunRecord


@pytest.fixture
def history(server: EmbeddedS3, bucket: str, monkeypatch: pytest.MonkeyPatch) -> History:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    # Another test of this process may have asked for a client without credentials.
    client_of_process.cache_clear()
    return History(f"s3://{bucket}//work/")


def test_a_workspace_on_s3_keeps_records_and_reports(history: History, bucket: str, s3: S3Client) -> None:
    assert list(history.named_records()) == []
    record: RunRecord = {**dict.fromkeys(get_type_hints(RunRecord)), "verdict": "done", "task": "a"}  # type: ignore[typeddict-item]
    for content in (b"two", b"three"):
        history.write("b.html", content, "text/html")
    history.add("b", record)
    history.add("a", record)
    s3.put_object(Bucket=bucket, Key="work/runs-of-others/c.json", Body=json.dumps(record).encode())

    assert list(history.named_records()) == [("b.json", record), ("a.json", record)]
    assert history.locate("b.html") == f"s3://{bucket}/work/runs/b.html"
    report = s3.get_object(Bucket=bucket, Key="work/runs/b.html")
    assert (report["ContentType"], report["Body"].read()) == ("text/html", b"three")

    history.delete("b.json")
    assert [name for name, _ in history.named_records()] == ["a.json"]
    keys = sorted(item["Key"] for item in s3.list_objects_v2(Bucket=bucket)["Contents"])
    assert keys == ["work/runs-of-others/c.json", "work/runs/a.json"]
