"""The object on S3 is the task's output: what is not there is put again, and what is there costs one request."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout
from support.recording_proxy import RecordingProxy

KEY = "output.csv"


def test_a_run_that_is_up_to_date_is_one_request(published: Checkout, proxy: RecordingProxy, bucket: str) -> None:
    run = published.main(AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == 0
    assert run.tasks == []
    assert proxy.requests == [("HEAD", f"/{bucket}/{KEY}")]


def test_a_run_that_is_up_to_date_does_not_import_what_it_does_not_need(published: Checkout) -> None:
    run = published.main(python_options=("-X", "importtime"))

    assert run.exit_code == 0
    imported = {line.rpartition("|")[2].strip().partition(".")[0] for line in run.stderr.splitlines()}
    assert {"gokart", "pandera", "boto3"} <= imported
    # Where Dask is installed, pandera imports it, and Dask imports SciPy.
    assert not {"sklearn", "lightgbm"} & imported


def test_a_deleted_object_is_put_again(published: Checkout, bucket: str, s3: S3Client) -> None:
    before = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    s3.delete_object(Bucket=bucket, Key=KEY)

    run = published.main()

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == before


@pytest.mark.parametrize("metadata", [{}, {"task-unique-id": "0" * 32, "rows": "1"}])
def test_an_object_of_somebody_else_is_replaced(
    published: Checkout, bucket: str, s3: S3Client, metadata: dict[str, str]
) -> None:
    before = s3.get_object(Bucket=bucket, Key=KEY)["Body"].read()
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"id,pred\n0,0\n", Metadata=metadata)

    run = published.main()

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == before


@pytest.mark.parametrize("checksum", ["SHA256", "CRC32"])
def test_another_content_under_the_same_metadata_is_replaced(
    published: Checkout, bucket: str, s3: S3Client, checksum: str
) -> None:
    answer = s3.get_object(Bucket=bucket, Key=KEY)
    before = answer["Body"].read()
    other = before.replace(b",0\n", b",1\n")
    assert other != before
    s3.put_object(Bucket=bucket, Key=KEY, Body=other, Metadata=answer["Metadata"], ChecksumAlgorithm=checksum)

    run = published.main()

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert s3.get_object(Bucket=bucket, Key=KEY)["Body"].read() == before


def test_another_bucket_gets_the_object_too(published: Checkout, make_bucket: Callable[[], str], s3: S3Client) -> None:
    other = make_bucket()

    run = published.main(BUCKET_NAME=other)

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert s3.head_object(Bucket=other, Key=KEY)["Metadata"]["rows"] == "30"


def test_another_key_gets_the_object_too(published: Checkout, bucket: str, s3: S3Client) -> None:
    published.edit("conf/param.ini", "key=output.csv", "key=daily/${RUN_DATE}/output.csv")

    run = published.main(RUN_DATE="2026-11-22")

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert s3.head_object(Bucket=bucket, Key="daily/2026-11-22/output.csv")["Metadata"]["rows"] == "30"


def test_a_forced_rerun_leaves_the_object_to_its_readers(published: Checkout, proxy: RecordingProxy) -> None:
    published.edit("conf/param.ini", "[TaskOnKart]", "[TaskOnKart]\nrerun=true")

    run = published.main(AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == 0, run.stderr
    assert run.tasks[:4] == ["LoadDataTask", "PreprocessTask", "SplitDataTask", "TrainTask"]
    assert proxy.count("DELETE") == 0


def test_a_missing_bucket_is_found_before_anything_runs(checkout: Checkout) -> None:
    run = checkout.main(BUCKET_NAME="not-there")

    assert run.exit_code == 50
    assert "create the bucket, or correct BUCKET_NAME" in run.stderr
    assert run.tasks == []
    assert not any(checkout.workspace.glob("*Task*"))
