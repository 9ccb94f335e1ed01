"""The same inputs give the same bytes."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout

from gokart_pipeline_sample.io.tables.table import read_iris

pytestmark = pytest.mark.long


@pytest.fixture
def expected(published_once: Checkout, s3: S3Client) -> bytes:
    return s3.get_object(Bucket=published_once.environment["BUCKET_NAME"], Key="output.csv")["Body"].read()


@pytest.mark.parametrize(
    ("arguments", "variables"),
    [
        pytest.param(["--workers", "2"], {}, id="two workers"),
        pytest.param(["--gokart-pipeline-sample.TrainTask-threads", "2"], {"OMP_NUM_THREADS": "2"}, id="two threads"),
        pytest.param(["gokart_pipeline_sample.RunNestTask", "--local-scheduler"], {}, id="RunNestTask"),
    ],
)
def test_a_clean_run_elsewhere_publishes_the_same_bytes(
    checkout: Checkout,
    published_once: Checkout,
    bucket: str,
    s3: S3Client,
    expected: bytes,
    arguments: list[str],
    variables: dict[str, str],
) -> None:
    run = checkout.main(*arguments, **variables)

    assert run.exit_code == 0, run.stderr
    assert s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read() == expected
    assert model_text(checkout.workspace) == model_text(published_once.workspace)
    assert f"published  s3://{bucket}/output.csv" in run.stdout
    # What ran in a worker is recorded as what ran in the process itself.
    (record,) = (json.loads(path.read_text()) for path in (checkout.workspace / "runs").glob("*.json"))
    assert {task["state"] for task in record["tasks"]} == {"ran"}
    assert all(task["seconds"] > 0 for task in record["tasks"])


def test_reasons_and_probabilities_are_the_same_bytes_in_a_nested_run_and_in_a_batch(
    checkout: Checkout, bucket: str, s3: S3Client
) -> None:
    published, options = [], ["--with-proba", "true", "--with-reasons", "2"]
    for task, threads in (("RunTask", "1"), ("RunNestTask", "2")):
        run = checkout.main(task, *options, OMP_NUM_THREADS=threads)
        assert run.exit_code == 0, run.stderr
        published.append(s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read())
    assert published[0] == published[1]
    assert published[0].startswith(b"id,pred,probability_0,probability_1,probability_2,reason_1,reason_2\n")

    read_iris().drop(columns="target").to_csv(checkout.workspace / "new.csv", index=False)
    run = checkout.main("RunBatchTask", "--table", str(checkout.workspace / "new.csv"), *options)
    assert run.exit_code == 0, run.stderr
    latest = json.loads(s3.get_object(Bucket=bucket, Key="batch/latest.json")["Body"].read())
    key = latest["manifest"].replace("manifest.json", "part-00000.csv")
    # The parts of a batch quote text, and the object of a run does not.
    batch = pd.read_csv(BytesIO(s3.get_object(Bucket=bucket, Key=key)["Body"].read()))
    tested = pd.read_csv(BytesIO(published[0]))
    assert batch.set_index("id").loc[tested["id"]].reset_index().equals(tested)


def model_text(workspace: Path) -> str:
    (file,) = workspace.glob("TrainTask_*.txt")
    return file.read_text()
