"""A workspace on S3 is as good as one on this machine, and costs few requests."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, make_flowers, read_batch, read_objects
from support.checkout import CHAIN, Checkout, make_environment
from support.recording_proxy import RecordingProxy

from gokart_pipeline_sample.errors import DamagedFileError, S3Error
from gokart_pipeline_sample.io.file_formats import JsonProcessor
from gokart_pipeline_sample.io.s3 import Encryption, client_of_process
from gokart_pipeline_sample.io.targets import S3WorkspaceTarget
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

PREPARE = ("gokart_pipeline_sample.PrepareDataTask", "--local-scheduler")
NAME = f"rows_{'0' * 32}.json"
ROWS = {"rows": list(range(50))}


class TestS3WorkspaceTarget:
    @pytest.fixture(autouse=True)
    def _use_server(self, server: EmbeddedS3, proxy: RecordingProxy, monkeypatch: pytest.MonkeyPatch) -> None:
        for name, value in {**server.environment(), "AWS_ENDPOINT_URL": proxy.endpoint}.items():
            monkeypatch.setenv(name, value)
        client_of_process.cache_clear()

    @pytest.fixture
    def make(self, bucket: str) -> Callable[..., S3WorkspaceTarget]:
        return lambda name=NAME, folder="work": S3WorkspaceTarget(
            f"s3://{bucket}/{folder}/{name}", JsonProcessor(), Encryption()
        )

    @pytest.fixture
    def key(self, make: Callable[..., S3WorkspaceTarget]) -> str:
        """Of a target that was put."""
        make().dump(ROWS)
        return f"work/{NAME}"

    @pytest.mark.parametrize("folder", ["", "/", "work", "work/", "/work//deep/", "a b", "作業", "a%20b+c&d=e?f#g"])
    def test_is_put_and_read_in_any_folder(
        self, make: Callable[..., S3WorkspaceTarget], s3: S3Client, folder: str
    ) -> None:
        assert not make(folder=folder).exists()
        make(folder=folder).dump(ROWS)

        assert make(folder=folder).exists()
        assert make(folder=folder).load() == ROWS
        (key,) = read_objects(s3, make().path().split("/")[2])
        assert key == "/".join([*filter(None, folder.split("/")), NAME])

    @pytest.mark.parametrize("change", ["cut off", "a flipped bit", "empty", "without metadata", "put by hand"])
    def test_neither_exists_nor_loads_if_it_is_not_what_was_put(
        self, make: Callable[..., S3WorkspaceTarget], key: str, bucket: str, s3: S3Client, change: str
    ) -> None:
        answer = s3.get_object(Bucket=bucket, Key=key)
        content, metadata = answer["Body"].read(), answer["Metadata"]
        changed = {
            "cut off": content[: len(content) // 2],
            "a flipped bit": bytes([content[0] ^ 1, *content[1:]]),
            "empty": b"",
            "put by hand": b"{}",
        }.get(change, content)
        s3.put_object(Bucket=bucket, Key=key, Body=changed, Metadata={} if change == "without metadata" else metadata)

        assert not make().exists()
        with pytest.raises(DamagedFileError, match=f"{make().path()} is not what this task has put: run again"):
            make().load()

    def test_does_not_exist_with_the_object_of_another_run(
        self, make: Callable[..., S3WorkspaceTarget], key: str, bucket: str, s3: S3Client
    ) -> None:
        other = f"rows_{'1' * 32}.json"
        source = {"Bucket": bucket, "Key": key}
        s3.copy_object(Bucket=bucket, Key=f"work/{other}", CopySource=source, ChecksumAlgorithm="SHA256")

        assert not make(other).exists()
        with pytest.raises(DamagedFileError):
            make(other).load()

    def test_says_that_a_damaged_object_is_replaced(
        self,
        make: Callable[..., S3WorkspaceTarget],
        key: str,
        bucket: str,
        s3: S3Client,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        for is_damaged in (False, True):
            target = make()
            assert target.exists() != is_damaged
            target.dump(ROWS)
            assert (f"{target.path()} is damaged: it is made again" in caplog.text) == is_damaged
            s3.put_object(Bucket=bucket, Key=key, Body=b"{}")

    def test_remembers_what_it_has_put_until_it_is_removed(
        self, make: Callable[..., S3WorkspaceTarget], proxy: RecordingProxy
    ) -> None:
        target = make()
        target.dump(ROWS)
        assert (target.exists(), target.load()) == (True, ROWS)
        assert [method for method, _ in proxy.requests] == ["PUT"]
        target.remove()
        assert not target.exists()
        with pytest.raises(S3Error, match="refuses to read it: create the bucket, or correct workspace_directory"):
            target.load()

    def test_keeps_nothing_large_in_memory(self, make: Callable[..., S3WorkspaceTarget], proxy: RecordingProxy) -> None:
        target, large = make(), ["x" * 1024] * 1024
        target.dump(large)
        assert target.load() == large
        assert [method for method, _ in proxy.requests] == ["PUT", "GET"]

    def test_is_read_again_when_the_connection_breaks(
        self, make: Callable[..., S3WorkspaceTarget], key: str, proxy: RecordingProxy
    ) -> None:
        faults = iter(["cut", "cut"])
        proxy.weather = lambda method, path: next(faults, "") if method == "GET" and path.endswith(key) else ""

        assert make().load() == ROWS
        assert next(faults, None) is None


@pytest.fixture
def on_s3(checkout: Checkout, bucket: str, proxy: RecordingProxy) -> Checkout:
    """A project that never ran, with its workspace on S3."""
    checkout.use_workspace(f"s3://{bucket}/workspace/")
    checkout.environment["AWS_ENDPOINT_URL"] = proxy.endpoint
    return checkout


def test_a_run_costs_few_requests(on_s3: Checkout, proxy: RecordingProxy, bucket: str) -> None:
    on_s3.edit("conf/param.ini", "write=false", "write=true")
    cold = on_s3.main()
    assert (cold.exit_code, cold.tasks) == (0, CHAIN), cold.stderr
    assert len(proxy.requests) <= 60
    assert len([request for request in proxy.requests if request[0] == "PUT" and "/runs/" not in request[1]]) <= 22
    assert [path.name for path in on_s3.directory.iterdir() if path.name in ("resources", "s3:")] == []

    proxy.requests.clear()
    warm = on_s3.main()
    assert (warm.exit_code, warm.tasks) == (0, [])
    runs = f"/{bucket}/workspace/runs/"
    others = [request for request in proxy.requests if not request[1].startswith((runs, f"/{bucket}?list-type=2"))]
    assert others == [("HEAD", f"/{bucket}/output.csv")]


@pytest.mark.long
def test_plan_and_history_know_it(on_s3: Checkout, bucket: str, s3: S3Client) -> None:
    assert on_s3.main(*PREPARE).exit_code == 0
    (key,) = (key for key in read_objects(s3, bucket) if re.search(r"/PreprocessTask_\w+\.parquet$", key))
    content = bytearray(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    content[len(content) // 2] ^= 1
    s3.put_object(Bucket=bucket, Key=key, Body=bytes(content))
    for split in [other for other in read_objects(s3, bucket) if "SplitDataTask_train" in other]:
        s3.delete_object(Bucket=bucket, Key=split)

    plan = on_s3.main("--plan", *PREPARE)
    run = on_s3.main(*PREPARE)
    history = on_s3.main("--history")

    assert f"PreprocessTask  object missing, damaged or overwritten: s3://{bucket}/{key}\n" in plan.stdout
    assert (run.exit_code, run.tasks) == (0, ["PreprocessTask", "SplitDataTask"])
    assert f"s3://{bucket}/{key} is damaged: it is made again" in run.stderr
    assert [line.split()[2] for line in history.stdout.splitlines()[1:3]] == ["done", "done"]


@pytest.mark.long
def test_two_workers_do_not_disturb_each_other(on_s3: Checkout, bucket: str, s3: S3Client) -> None:
    for _ in range(3):
        for key in read_objects(s3, bucket):
            s3.delete_object(Bucket=bucket, Key=key)
        run = on_s3.main("--workers", "2")

        assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
        assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["rows"] == "30"


@pytest.mark.long
def test_a_batch_is_as_with_a_workspace_on_this_machine(
    on_s3: Checkout, bucket: str, s3: S3Client, tmp_path: Path
) -> None:
    local = on_s3.copy(tmp_path / "local")
    local.edit("conf/param.ini", f"workspace_directory=s3://{bucket}/workspace/", "workspace_directory=./resources")
    s3.put_object(Bucket=bucket, Key="new.csv", Body=make_flowers(100).to_csv(index=False).encode())
    batches: list[pd.DataFrame] = []
    for checkout in (local, on_s3):
        run = checkout.main(*RUN_BATCH, "--table", f"s3://{bucket}/new.csv")
        assert run.exit_code == 0, run.stderr
        batches.append(read_batch(s3, bucket).published)

    assert batches[0].equals(batches[1])
    assert on_s3.main(*RUN_BATCH, "--table", f"s3://{bucket}/new.csv").tasks == []


def test_every_object_is_encrypted_as_configured(on_s3: Checkout, proxy: RecordingProxy) -> None:
    on_s3.edit("conf/param.ini", "key=output.csv", "key=output.csv\nserver_side_encryption=AES256")
    on_s3.edit("conf/param.ini", "write=false", "write=true")
    run = on_s3.main(*PREPARE)

    assert run.exit_code == 0, run.stderr
    puts = [
        (path, {name.lower(): value for name, value in headers.items()}.get("x-amz-server-side-encryption"))
        for (method, path), headers in zip(proxy.requests, proxy.headers, strict=True)
        if method == "PUT"
    ]
    assert len({path.split("/")[3] for path, _ in puts}) >= 6
    assert {encryption for _, encryption in puts} == {"AES256"}


@pytest.mark.long
def test_it_may_be_in_another_bucket(
    on_s3: Checkout, make_bucket: Callable[[], str], bucket: str, s3: S3Client
) -> None:
    other = make_bucket()
    run = on_s3.main(BUCKET_NAME=other)

    assert run.exit_code == 0, run.stderr
    assert [*read_objects(s3, other)] == ["output.csv"]
    assert {key.split("/")[0] for key in read_objects(s3, bucket)} == {"workspace"}


def test_a_missing_bucket_is_found_before_anything_runs(checkout: Checkout) -> None:
    checkout.use_workspace("s3://not-there/workspace")
    run = checkout.main()

    assert (run.exit_code, run.tasks) == (50, [])
    assert re.match(
        r"error: \w+Task: s3://not-there/workspace/\w+\.\w+: .*create the bucket, or correct workspace_directory",
        run.stderr.splitlines()[-1],
    )


@pytest.mark.parametrize("arguments", [(), ("--serve-s3",), ("--plan",)])
def test_the_embedded_s3_has_no_place_in_it(checkout: Checkout, arguments: tuple[str, ...]) -> None:
    checkout.use_workspace("s3://your-bucket/workspace")
    checkout.environment = make_environment()
    run = checkout.main(*arguments)

    assert run.exit_code == 2
    assert run.stderr.splitlines() == [
        "error: the embedded S3 keeps its data in a folder, and s3://your-bucket/workspace is none: set BUCKET_NAME"
    ]
    assert not (checkout.directory / "s3:").exists()


def test_other_object_stores_are_refused(checkout: Checkout) -> None:
    checkout.use_workspace("gs://your-bucket/workspace")
    run = checkout.main()

    assert run.exit_code == 2
    assert (
        run.stderr
        == "error: workspace_directory is gs://your-bucket/workspace: set it to a folder, or to s3://bucket/prefix\n"
    )
