"""Nothing is published that is not accurate enough."""

from __future__ import annotations

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout
from support.recording_proxy import RecordingProxy

ONE_ROUND = ("--gokart-pipeline-sample.TrainTask-num-boost-round", "1")  # right for 21 of the 30 test rows


def test_a_weak_model_changes_nothing_on_s3_however_often_it_runs(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    before = s3.head_object(Bucket=bucket, Key="output.csv")

    for _ in range(2):
        run = published.main(*ONE_ROUND, "--require-acc", "0.8", AWS_ENDPOINT_URL=proxy.endpoint)
        assert run.exit_code == 40
        assert "the accuracy 0.7 does not exceed the required 0.8: nothing is published" in run.stderr
        assert run.stderr.splitlines()[-1].startswith("error: CheckAccuracyTask: the accuracy 0.7 does not exceed")
        assert run.stdout == ""

    assert proxy.count("HEAD") > 0
    assert proxy.count("PUT") == 0
    after = s3.head_object(Bucket=bucket, Key="output.csv")
    assert (after["LastModified"], after["Metadata"]) == (before["LastModified"], before["Metadata"])

    run = published.main(*ONE_ROUND, "--require-acc", "0.6")
    assert run.exit_code == 0, run.stderr
    assert run.tasks == ["CheckAccuracyTask", "UploadS3Task"]
    assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["accuracy"] == "0.7"


def test_an_accuracy_that_is_only_equal_fails(published: Checkout) -> None:
    run = published.main(*ONE_ROUND, "--require-acc", "0.7")

    assert run.exit_code == 40
    assert "the accuracy 0.7 does not exceed the required 0.7" in run.stderr


@pytest.mark.parametrize("require_acc", ["nan", "-0.1", "1.1"])
def test_a_required_accuracy_that_is_no_share_is_refused(
    published: Checkout, proxy: RecordingProxy, require_acc: str
) -> None:
    run = published.main("--require-acc", require_acc, AWS_ENDPOINT_URL=proxy.endpoint)

    assert run.exit_code == 2
    assert require_acc in run.stderr.splitlines()[-1]
    assert proxy.requests == []


@pytest.mark.parametrize(
    ("section", "task"),
    [
        ("CheckAccuracyTask", "RunTask"),
        pytest.param("CheckAccuracyTask", "RunNestTask", marks=pytest.mark.long),
        pytest.param("RunTask", "RunTask", marks=pytest.mark.long),
    ],
)
def test_the_ini_file_sets_the_gate(published: Checkout, section: str, task: str) -> None:
    published.edit(
        "conf/param.ini",
        "[gokart_pipeline_sample.CheckAccuracyTask]\nrequire_acc=0.9\n",
        f"[gokart_pipeline_sample.{section}]\nrequire_acc=0.8\n",
    )

    run = published.main(f"gokart_pipeline_sample.{task}", "--local-scheduler", *ONE_ROUND)

    assert run.exit_code == 40
    assert "does not exceed the required 0.8" in run.stderr


def test_a_model_that_knows_only_the_frequencies_is_refused_unless_that_is_allowed(published: Checkout) -> None:
    # Its trees are worth nothing.
    options = (*ONE_ROUND, "--gokart-pipeline-sample.TrainTask-learning-rate", "1e-9", "--require-acc", "0")

    run = published.main(*options)
    assert run.exit_code == 40
    assert "is not better than that of the most frequent class, 0.3667, with 95% confidence (p = " in run.stderr
    assert "set require_better=false" in run.stderr.splitlines()[-1]

    run = published.main(*options, "--gokart-pipeline-sample.CheckAccuracyTask-require-better", "false")
    assert run.exit_code == 0, run.stderr
    assert run.tasks == ["CheckAccuracyTask", "UploadS3Task"]
