"""A lease on S3 lets one process at a time in, whatever happens to it."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import read_objects
from support.recording_proxy import RecordingProxy

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io.s3 import client_of_process
from gokart_pipeline_sample.io.s3_lease import Lease, release_leases
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

KEY = "work/leases/task.json"


@pytest.fixture(autouse=True)
def _use_server(server: EmbeddedS3, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**server.environment(), "AWS_ENDPOINT_URL": proxy.endpoint}.items():
        monkeypatch.setenv(name, value)
    client_of_process.cache_clear()


@pytest.fixture
def make(bucket: str) -> Callable[..., Lease]:
    return lambda seconds=60, key=KEY: Lease(f"s3://{bucket}/{key}", seconds, {})


def put_foreign_lease(s3: S3Client, bucket: str, seconds: int) -> None:
    """As another process leaves it that was killed."""
    metadata = {"owner": "other", "token": "other", "seconds": str(seconds)}
    s3.put_object(Bucket=bucket, Key=KEY, Body=b"{}", Metadata=metadata)


def test_one_at_a_time_is_in(make: Callable[..., Lease], bucket: str, s3: S3Client) -> None:
    inside, seen, all_are_there = 0, [], threading.Barrier(6)

    def enter(_: int) -> None:
        nonlocal inside
        all_are_there.wait()
        with make():
            inside += 1
            seen.append(inside)
            s3.head_bucket(Bucket=bucket)
            inside -= 1

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(enter, range(6)))

    assert seen == [1] * 6
    assert read_objects(s3, bucket) == {}


def test_the_lease_of_a_holder_that_died_is_taken_over(
    make: Callable[..., Lease], bucket: str, s3: S3Client, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    put_foreign_lease(s3, bucket, seconds=2)
    with make():
        assert s3.head_object(Bucket=bucket, Key=KEY)["Metadata"]["owner"] != "other"

    assert f"waiting for the run other, which holds s3://{bucket}/{KEY}" in caplog.text
    assert re.search(r"is taken over: its holder has not renewed it for [3-6] s", caplog.text)
    assert read_objects(s3, bucket) == {}


@pytest.mark.long
def test_the_lease_of_a_live_holder_is_not_taken_over(
    make: Callable[..., Lease], proxy: RecordingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    is_renewed, order = threading.Event(), []
    proxy.after = lambda method, _: proxy.count("PUT") >= 9 and method == "PUT" and is_renewed.set()

    def wait() -> None:
        with make(seconds=3):
            order.append("second")

    with make(seconds=3):
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert is_renewed.wait(60)  # Seven times, in seven seconds.
        order.append("first")
    waiting.join()

    assert order == ["first", "second"]
    assert "taken over" not in caplog.text


@pytest.mark.parametrize("answer", ["lost", "500"])
def test_an_answer_that_is_lost_does_not_lock_out_the_holder(
    make: Callable[..., Lease], proxy: RecordingProxy, bucket: str, s3: S3Client, answer: str
) -> None:
    faults, is_renewed = iter([answer, "", answer]), threading.Event()
    proxy.weather = lambda method, _: next(faults, "") if method == "PUT" else ""
    proxy.after = lambda *_: proxy.count("PUT") >= 5 and is_renewed.set()
    with make(seconds=3):
        assert is_renewed.wait(60)

    assert read_objects(s3, bucket) == {}


def test_a_lease_that_was_lost_is_left_to_its_new_holder(
    make: Callable[..., Lease], proxy: RecordingProxy, bucket: str, s3: S3Client, caplog: pytest.LogCaptureFixture
) -> None:
    is_refused = threading.Event()
    proxy.after = lambda method, _: method == "HEAD" and is_refused.set()
    with make(seconds=3):
        put_foreign_lease(s3, bucket, seconds=60)
        assert is_refused.wait(60)

    assert f"s3://{bucket}/{KEY} was taken over by another run" in caplog.text
    assert [*read_objects(s3, bucket)] == [KEY]


def test_what_a_run_still_holds_is_released(make: Callable[..., Lease], bucket: str, s3: S3Client) -> None:
    put_foreign_lease(s3, bucket, seconds=60)
    for name in ("a", "b"):
        make(key=f"work/leases/{name}.json")._acquire()
    release_leases(f"s3://{bucket}/work/leases")

    assert [*read_objects(s3, bucket)] == [KEY]


def test_a_lease_that_cannot_be_released_is_no_failure(
    make: Callable[..., Lease], proxy: RecordingProxy, caplog: pytest.LogCaptureFixture
) -> None:
    proxy.weather = lambda method, _: "expired token" if method == "DELETE" else ""
    with make():
        pass

    assert "others may wait for up to 60 s" in caplog.text


def test_a_lease_that_cannot_be_had_is_an_error(make: Callable[..., Lease], proxy: RecordingProxy) -> None:
    proxy.weather = lambda *_: "expired token"
    with pytest.raises(S3Error, match=f"{KEY}: S3 refuses to put it: check the credentials"), make():
        pass
