"""The plan says what a run does, and does nothing itself."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, make_flowers
from support.checkout import CHAIN, Checkout, make_environment
from support.recording_proxy import RecordingProxy

PREPROCESS = "gokart_pipeline_sample/pipeline/preprocess.py"
UP_TO_DATE = "nothing would run: all is up to date"


def plan(checkout: Checkout, *arguments: str, **variables: str) -> dict[str, str]:
    """Ask for the plan; return why each task would run."""
    run = checkout.main("--plan", *arguments, **variables)
    assert run.exit_code == 0, run.stderr
    assert run.stderr == ""
    if run.stdout.strip() == UP_TO_DATE:
        return {}
    header, *lines = run.stdout.splitlines()
    assert header.split() == ["would", "run", "why"]
    return {name: why.strip() for name, _, why in (line.partition(" ") for line in lines)}


def follow(first: str, why: str) -> dict[str, str]:
    """Expect a task to run for a reason, and those behind it because of it."""
    return {first: why, **dict.fromkeys(CHAIN[CHAIN.index(first) + 1 :], "input changed")}


def snapshot(checkout: Checkout) -> dict[Path, tuple[int, bytes]]:
    return {
        path: (path.stat().st_mtime_ns, path.read_bytes())
        for path in checkout.directory.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def change_learning_rate(checkout: Checkout) -> None:
    checkout.edit("conf/param.ini", "[core]", "[gokart_pipeline_sample.TrainTask]\nlearning_rate=0.1\n[core]")


@pytest.mark.long
def test_a_run_does_what_the_plan_said(checkout: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client) -> None:
    """One after the other, as one would try it."""
    module = "gokart_pipeline_sample.pipeline.preprocess"
    steps: list[tuple[Callable[[], object], dict[str, str]]] = [
        (lambda: None, dict.fromkeys(CHAIN, "never run")),
        (lambda: None, {}),
        (
            lambda: checkout.edit(PREPROCESS, "return length * width", "return width * length"),
            follow("PreprocessTask", f"code changed: {module}"),
        ),
        (lambda: checkout.edit(PREPROCESS, "return width * length", "return width * length  # cm²"), {}),
        (
            lambda: s3.delete_object(Bucket=bucket, Key="output.csv"),
            {"UploadS3Task": f"object missing, damaged or overwritten: s3://{bucket}/output.csv"},
        ),
        (
            lambda: change_learning_rate(checkout),
            follow("TrainTask", "parameter changed: learning_rate 0.05 → 0.1"),
        ),
    ]
    for change, expected in steps:
        change()
        before = snapshot(checkout)
        proxy.requests.clear()

        planned = plan(checkout, AWS_ENDPOINT_URL=proxy.endpoint)

        assert list(planned) == list(expected)
        assert all(planned[task].startswith(why) for task, why in expected.items()), planned
        assert snapshot(checkout) == before
        assert {method for method, _ in proxy.requests} == {"HEAD"}
        run = checkout.main()
        assert (run.exit_code, run.tasks) == (0, list(planned))


def test_parameters_on_the_command_line_count(published: Checkout) -> None:
    planned = plan(published, "--require-acc", "0.95")

    assert planned == {
        "CheckAccuracyTask": "parameter changed: require_acc 0.9 → 0.95",
        "UploadS3Task": planned["UploadS3Task"],
    }
    assert re.search(r"parameter changed: bucket .* → .*; input changed: CheckAccuracyTask", planned["UploadS3Task"])


def test_a_failed_gate_is_tried_again(published: Checkout) -> None:
    assert published.main("--require-acc", "1.0").exit_code == 40

    planned = plan(published, "--require-acc", "1.0")

    assert list(planned) == ["CheckAccuracyTask", "UploadS3Task"]
    assert planned["CheckAccuracyTask"] == "parameter changed: require_acc 0.9 → 1.0"


@pytest.mark.long
def test_a_batch(published: Checkout) -> None:
    table = published.directory / "flowers.csv"
    make_flowers(10).to_csv(table, index=False)
    arguments = (*RUN_BATCH, "--table", str(table))
    run = published.main(*arguments)
    assert run.exit_code == 0, run.stderr
    assert plan(published, *arguments) == {}
    make_flowers(11).to_csv(table, index=False)

    planned = plan(published, *arguments)

    assert list(planned) == BATCH_CHAIN
    assert re.fullmatch("parameter changed: table [0-9a-f]{12}… → [0-9a-f]{12}…", planned["GuardTableTask"])
    assert published.main(*arguments).tasks == BATCH_CHAIN


@pytest.mark.long
def test_without_a_bucket_the_embedded_s3_is_asked(checkout: Checkout) -> None:
    checkout.environment = make_environment(TMPDIR=checkout.environment["TMPDIR"])
    before = snapshot(checkout)
    assert plan(checkout) == dict.fromkeys(CHAIN, "never run")
    assert snapshot(checkout) == before

    assert checkout.main().exit_code == 0
    assert plan(checkout) == {}


@pytest.mark.parametrize(
    ("arguments", "variables", "exit_code", "last_line"),
    [
        ([], {"BUCKET_NAME": "not-there"}, 50, "error: RunTask: s3://not-there/output.csv: .* create the bucket"),
        (["--no-option"], {}, 2, "main.py: error: unrecognized arguments: --no-option"),
        (["--require-acc", "2"], {}, 2, "error: .*2"),
        (["NoTask"], {}, 2, "error: .*No task NoTask"),
    ],
)
def test_what_cannot_be_planned_is_said_in_the_last_line(
    checkout: Checkout, arguments: list[str], variables: dict[str, str], exit_code: int, last_line: str
) -> None:
    run = checkout.main("--plan", *arguments, **variables)

    assert (run.exit_code, run.stdout) == (exit_code, "")
    assert re.match(last_line, run.stderr.splitlines()[-1])
