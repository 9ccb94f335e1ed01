"""``main.py --fetch`` writes what was published to stdout, to the last byte."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import make_flowers, read_batch
from support.checkout import Checkout

Put = Callable[[str, bytes], None]


@pytest.fixture
def put(bucket: str, s3: S3Client) -> Put:
    """Puts an object as a run does."""

    def put(key: str, content: bytes) -> None:
        metadata = {"sha256": hashlib.sha256(content).hexdigest()}
        s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata)

    return put


def fetch(checkout: Checkout, *arguments: str) -> bytes:
    """What the command writes."""
    command = [sys.executable, str(checkout.directory / "main.py"), "--fetch", *arguments]
    done = subprocess.run(command, env=checkout.environment, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_writes_what_was_published_last(published: Checkout, bucket: str, s3: S3Client, tmp_path: Path) -> None:
    make_flowers(10).to_csv(tmp_path / "new.csv", index=False)
    output = s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()
    assert fetch(published) == output

    options = ("--table", str(tmp_path / "new.csv"), "--rows-per-part", "4")
    assert published.main("RunBatchTask", *options).exit_code == 0
    batch = fetch(published)
    pd.testing.assert_frame_equal(pd.read_csv(BytesIO(batch)), read_batch(s3, bucket).published)
    assert batch == fetch(published, "batch/latest.json") == fetch(published, f"s3://{bucket}/batch/latest.json")

    assert fetch(published, "output.csv") == output
    assert published.main("--require-acc", "0.95").exit_code == 0
    assert fetch(published) == s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()


def test_a_uri_needs_no_configured_bucket(published: Checkout, bucket: str) -> None:
    del published.environment["BUCKET_NAME"]

    assert fetch(published, f"s3://{bucket}/output.csv").startswith(b"id,pred\n")


def put_batch(put: Put, parts: dict[str, bytes]) -> None:
    """Put a batch with these parts."""
    for key, content in parts.items():
        put(key, content)
    put("batch/1/manifest.json", json.dumps({"parts": [{"key": key} for key in parts]}).encode())
    put("batch/latest.json", json.dumps({"manifest": "batch/1/manifest.json"}).encode())


def test_parts_make_one_table_whatever_the_names_of_its_columns(checkout: Checkout, put: Put) -> None:
    header = '\ufeffid,"a ""b""\nc",d\n'.encode()
    parts = {"batch/1/0.csv": header + b'1,"x\n",2\n', "batch/1/1.csv": header, "batch/1/2.csv": header + b"3,y,4\n"}
    put_batch(put, parts)

    assert fetch(checkout) == header + b'1,"x\n",2\n3,y,4\n'


def test_a_single_parquet_file_is_written_as_it_is(checkout: Checkout, put: Put) -> None:
    content = bytes(range(256)) * 1000
    put_batch(put, {"batch/1/0.parquet": content})

    assert fetch(checkout) == content


@pytest.mark.long
def test_what_cannot_be_fetched_is_said_in_one_line(checkout: Checkout, put: Put, bucket: str, s3: S3Client) -> None:
    def complain(*arguments: str) -> str:
        run = checkout.main("--fetch", *arguments)
        assert (run.exit_code, run.stdout) == (2, "")
        (line,) = run.stderr.splitlines()
        return line.removeprefix(f"error: s3://{bucket}/")

    assert complain() == f"error: nothing is published in s3://{bucket} yet: run the pipeline, or name an object"
    assert complain("a.csv").startswith("a.csv: S3 refuses to read it: publish it, or name another object")

    put_batch(put, {"batch/1/0.parquet": b"0", "batch/1/1.parquet": b"1"})
    assert complain() == (
        "error: 2 Parquet files make no single one: fetch each, from batch/1/0.parquet to batch/1/1.parquet"
    )

    put_batch(put, {"batch/1/0.csv": b"id\n0\n"})
    s3.put_object(Bucket=bucket, Key="batch/1/0.csv", Body=b"id\n1\n")
    assert complain() == "batch/1/0.csv is not what a run has put: publish it again"
    s3.delete_object(Bucket=bucket, Key="batch/1/0.csv")
    assert complain().startswith("batch/1/0.csv: S3 refuses to read it: publish it, or name another object")
