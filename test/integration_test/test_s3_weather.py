"""S3 in bad weather: what passes is sat out, what lasts is named, and nothing wrong is published."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, make_flowers, read_batch
from support.checkout import Checkout
from support.recording_proxy import LASTING_FAULTS, RecordingProxy

pytestmark = pytest.mark.long


def test_a_body_that_is_cut_while_it_is_read_is_read_again(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    flowers = make_flowers(5000)
    s3.put_object(Bucket=bucket, Key="table.csv", Body=flowers.to_csv(index=False).encode())
    gets = itertools.count(1)
    proxy.weather = lambda _, path: "cut" if path.endswith("/table.csv") and next(gets) % 3 else ""

    run = published.main(*RUN_BATCH, "--table", f"s3://{bucket}/table.csv", AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == 0, run.stderr
    assert f"s3://{bucket}/table.csv: the answer of S3 broke off, it is read again" in run.stderr
    assert read_batch(s3, bucket).published["id"].tolist() == flowers["id"].tolist()


def test_a_body_that_is_always_cut_ends_the_run(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    s3.put_object(Bucket=bucket, Key="table.csv", Body=pd.DataFrame({"id": range(5000)}).to_csv().encode())
    proxy.weather = lambda _, path: "cut" if path.endswith("/table.csv") else ""

    run = published.main(*RUN_BATCH, "--table", f"s3://{bucket}/table.csv", AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == 40
    assert run.stderr.splitlines()[-1].startswith(
        f"error: GuardTableTask: s3://{bucket}/table.csv: S3 cannot be asked to read it: check the network"
    )
    assert sum(path.endswith("/table.csv") for _, path in proxy.requests) == 3


def test_a_batch_that_readers_have_is_not_looked_for_again(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    flowers = make_flowers(50)
    s3.put_object(Bucket=bucket, Key="table.csv", Body=flowers.to_csv(index=False).encode())
    is_put = []

    def fail_after_the_pointer(method: str, path: str) -> str:
        if method == "PUT" and path.endswith("/latest.json"):
            is_put.append(path)
        return "503" if is_put and "list-type=2" in path else ""

    proxy.weather = fail_after_the_pointer

    run = published.main(*RUN_BATCH, "--table", f"s3://{bucket}/table.csv", AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == 0, run.stderr
    assert is_put
    assert read_batch(s3, bucket).published["id"].tolist() == flowers["id"].tolist()


LAST_LINES = {
    "expired token": " the credentials: they ",
    "wrong clock": "set the clock of this machine: it differs from that of S3 by",
    "no region": "set AWS_DEFAULT_REGION",
}


@pytest.mark.parametrize("fault", LASTING_FAULTS)
@pytest.mark.parametrize("method", ["HEAD", "PUT"])
def test_what_lasts_is_named(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client, fault: str, method: str
) -> None:
    s3.delete_object(Bucket=bucket, Key="output.csv")
    proxy.weather = lambda asked, _: fault if asked in (method, "GET") else ""

    run = published.main(AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == (50 if method == "HEAD" else 40)
    assert LAST_LINES[fault] in run.stderr.splitlines()[-1]
    assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
