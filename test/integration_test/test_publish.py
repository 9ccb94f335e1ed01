"""What is published, and how."""

from __future__ import annotations

import base64
import hashlib
from io import BytesIO

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import CHAIN, Checkout
from support.recording_proxy import RecordingProxy

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io.s3 import client_of_process, find_metadata
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3


def test_publishes_the_predictions_of_the_test_rows(published_once: Checkout, s3: S3Client) -> None:
    bucket = published_once.environment["BUCKET_NAME"]
    content = s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()

    output = pd.read_csv(BytesIO(content))
    assert output.columns.tolist() == ["id", "pred"]
    OutputSchema.validate(output)
    (test_rows,) = published_once.workspace.glob("SplitDataTask_test_*.parquet")
    assert output["id"].tolist() == pd.read_parquet(test_rows)["id"].tolist()
    assert b"\r" not in content


def test_describes_the_object(published_once: Checkout, s3: S3Client) -> None:
    bucket = published_once.environment["BUCKET_NAME"]
    answer = s3.get_object(Bucket=bucket, Key="output.csv", ChecksumMode="ENABLED")

    assert answer["ContentType"] == "text/csv; charset=utf-8"
    digest = hashlib.sha256(answer["Body"].read()).digest()
    assert answer["ChecksumSHA256"] == base64.b64encode(digest).decode()
    (checked,) = published_once.workspace.glob("CheckAccuracyTask_*.parquet")
    accuracy = pd.read_parquet(checked).attrs["accuracy"]
    unique_id = answer["Metadata"].pop("task-unique-id")
    assert len(unique_id) == 32
    assert answer["Metadata"] == {"rows": "30", "accuracy": str(accuracy), "sha256": digest.hex()}


def test_puts_the_object_in_one_request(published: Checkout, proxy: RecordingProxy, bucket: str) -> None:
    run = published.main(
        "--gokart-pipeline-sample.UploadS3Task-key", "daily/2026-11-22.csv", AWS_ENDPOINT_URL=proxy.endpoint
    )

    assert run.exit_code == 0, run.stderr
    assert [request for request in proxy.requests if request[0] == "PUT"] == [
        ("PUT", f"/{bucket}/daily/2026-11-22.csv")
    ]
    assert proxy.count("POST") == 0
    assert f"published  s3://{bucket}/daily/2026-11-22.csv" in run.stdout


def test_encrypts_the_object_if_told_so(published: Checkout, bucket: str, s3: S3Client) -> None:
    run = published.main("--gokart-pipeline-sample.UploadS3Task-server-side-encryption", "AES256")

    assert run.exit_code == 0, run.stderr
    assert run.tasks == ["UploadS3Task"]
    assert s3.head_object(Bucket=bucket, Key="output.csv")["ServerSideEncryption"] == "AES256"


def test_begins_with_a_byte_order_mark_if_told_so(published: Checkout, bucket: str, s3: S3Client) -> None:
    before = published.main()
    assert before.exit_code == 0, before.stderr
    plain = s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()
    run = published.main("--gokart-pipeline-sample.UploadS3Task-bom", "true")

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"]), run.stderr
    assert s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read() == b"\xef\xbb\xbf" + plain


def test_asks_for_the_key_that_it_is_told(published: Checkout, bucket: str, proxy: RecordingProxy) -> None:
    """The server has no KMS, so it is only asked, and once: what it answers is an error of its own."""
    upload = "--gokart-pipeline-sample.UploadS3Task"
    options = (f"{upload}-server-side-encryption", "aws:kms", f"{upload}-kms-key-id", "alias/key")

    run = published.main(*options, AWS_ENDPOINT_URL=proxy.endpoint, AWS_MAX_ATTEMPTS="1")

    assert run.exit_code == 40
    assert run.stderr.splitlines()[-1].startswith(
        f"error: UploadS3Task: s3://{bucket}/output.csv: S3 refuses to put it"
    )
    (asked, *_) = (
        headers for (method, _), headers in zip(proxy.requests, proxy.headers, strict=True) if method == "PUT"
    )
    assert asked["x-amz-server-side-encryption"] == "aws:kms"
    assert asked["x-amz-server-side-encryption-aws-kms-key-id"] == "alias/key"


def test_says_what_it_has_published(published: Checkout, bucket: str) -> None:
    run = published.main()

    assert run.stdout.splitlines() == [
        "accuracy   1.0000 (required: more than 0.9)",
        "rows       30",
        f"published  s3://{bucket}/output.csv",
        f"fetch      {published.command} --fetch s3://{bucket}/output.csv",
    ]
    assert run.stderr == ""


def test_logs_calmly(checkout: Checkout) -> None:
    run = checkout.main()

    assert run.exit_code == 0, run.stderr
    assert run.tasks == CHAIN
    # A line for each task, one of a warning, one for the accuracy and one for the object.
    assert len(run.stderr.splitlines()) == len(CHAIN) + 3


@pytest.mark.parametrize("key", ["..", "./output.csv", "a/../b.csv", "a/.", "caf\udce9.csv"])
def test_a_key_that_s3_refuses_is_refused_before_anything_runs(
    server: EmbeddedS3, bucket: str, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    client_of_process.cache_clear()
    with pytest.raises(S3Error, match=r"S3 refuses to look at it: change the key|give a name that is text"):
        find_metadata(bucket, key)
    client_of_process.cache_clear()
