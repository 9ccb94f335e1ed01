"""The same inputs give the same bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout

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


def model_text(workspace: Path) -> str:
    (file,) = workspace.glob("TrainTask_*.txt")
    return file.read_text()
