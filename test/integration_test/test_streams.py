"""A stream that is closed or broken changes nothing of a run, nor of its exit code."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout

pytestmark = pytest.mark.long

REDIRECTIONS = [
    ">/dev/full",
    ">/dev/full 2>&1",
    ">&-",
    "2>&-",
    "<&- >&- 2>&-",
    "2>/dev/full",
    "2>&1 | head -1",
    "| true",
]


def run(checkout: Checkout, redirection: str, *arguments: str) -> int:
    main = shlex.join([sys.executable, str(checkout.directory / "main.py"), *arguments])
    command = f"set -o pipefail; {main} {redirection}"
    shell = ["/bin/bash", "-c", command]
    return subprocess.run(shell, env=checkout.environment, capture_output=True, timeout=300, check=False).returncode


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_a_run_publishes_and_ends_with_0(published: Checkout, bucket: str, s3: S3Client, redirection: str) -> None:
    s3.delete_object(Bucket=bucket, Key="output.csv")

    assert run(published, redirection) == 0

    content = s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()
    assert content.startswith(b"id,pred\n")
    assert content.count(b"\n") == 31


@pytest.mark.parametrize("redirection", REDIRECTIONS)
def test_a_run_that_fails_ends_with_its_own_code(published: Checkout, redirection: str) -> None:
    assert run(published, redirection, "--require-acc", "1.0") == 40


@pytest.mark.parametrize("redirection", ["| head -1", ">&-", "| true"])
def test_a_reader_of_what_is_fetched_may_stop(published: Checkout, redirection: str) -> None:
    assert run(published, redirection, "--fetch") == 0


def test_what_cannot_be_written_is_not_fetched(published: Checkout) -> None:
    assert run(published, ">/dev/full", "--fetch") == 2


@pytest.mark.parametrize("argument", ["--history", "--plan", "--help"])
def test_what_only_shows_something_ends_with_0(published: Checkout, argument: str) -> None:
    assert run(published, ">/dev/full", argument) == 0
