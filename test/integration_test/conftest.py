"""A real S3 server, a bucket for each test, and checkouts that publish to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import luigi
import pytest
import support.reference_project  # noqa: F401 - before the pipeline is imported
from luigi.task_register import Register
from mypy_boto3_s3 import S3Client
from support.batch import read_objects
from support.champion import OTHER, SCORE, TRAIN, Published, Trained, replace_objects, use_noisy_table
from support.checkout import Checkout, make_environment
from support.databases import MISSING, Database, Server, find_postgresql, serving
from support.recording_proxy import RecordingProxy, recording

from gokart_pipeline_sample import RunTask
from pipeline_runner.local_s3 import embedded_s3


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[embedded_s3.EmbeddedS3]:
    with embedded_s3.running(tmp_path_factory.mktemp("s3")) as running:
        running.wait_until_ready()
        yield running


@pytest.fixture(scope="session")
def s3(server: embedded_s3.EmbeddedS3) -> S3Client:
    return server.connect()


@pytest.fixture(scope="session")
def make_bucket(s3: S3Client) -> Callable[[], str]:
    def make() -> str:
        name = f"test-{uuid.uuid4().hex}"
        s3.create_bucket(Bucket=name)
        return name

    return make


@pytest.fixture(scope="session")
def empty_buckets() -> list[str]:
    return []


@pytest.fixture
def bucket(empty_buckets: list[str], make_bucket: Callable[[], str], s3: S3Client) -> Iterator[str]:
    """An empty bucket: one that a test before has left, as the server takes 0.2 s for the first object of a new one."""
    name = empty_buckets.pop() if empty_buckets else make_bucket()
    yield name
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=name):
        for item in page.get("Contents", []):
            s3.delete_object(Bucket=name, Key=item["Key"])
    empty_buckets.append(name)


@pytest.fixture
def proxy(server: embedded_s3.EmbeddedS3) -> Iterator[RecordingProxy]:
    """What is between the checkouts of a test and the server, if the test asks for it."""
    with recording(server.endpoint) as running:
        yield running


@pytest.fixture
def checkout(server: embedded_s3.EmbeddedS3, bucket: str, tmp_path: Path) -> Checkout:
    """A project that never ran."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": bucket})
    return Checkout.create(tmp_path / "checkout", environment)


@pytest.fixture(scope="session")
def published_once(
    server: embedded_s3.EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Checkout:
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("published") / "checkout", environment)
    run = checkout.main()
    assert run.exit_code == 0, run.stderr
    return checkout


@pytest.fixture
def published(published_once: Checkout, bucket: str, s3: S3Client, tmp_path: Path) -> Checkout:
    """A project that is up to date in the bucket of the test: the object is there as the project would have put it."""
    upload = "gokart_pipeline_sample.UploadS3Task"
    Register.clear_instance_cache()  # A task remembers what it requires, with the bucket.
    luigi.configuration.get_config().set(upload, "bucket", bucket)
    unique_id = RunTask().requires().make_unique_id()
    luigi.configuration.get_config().remove_section(upload)
    Register.clear_instance_cache()
    source = {"Bucket": published_once.environment["BUCKET_NAME"], "Key": "output.csv"}
    answer = s3.get_object(**source)
    s3.put_object(
        Bucket=bucket,
        Key="output.csv",
        Body=answer["Body"].read(),
        Metadata={**answer["Metadata"], "task-unique-id": unique_id},
        ChecksumAlgorithm="SHA256",
    )
    return published_once.copy(tmp_path / "checkout", BUCKET_NAME=bucket)


@pytest.fixture(scope="session")
def trained_once(
    server: embedded_s3.EmbeddedS3,
    make_bucket: Callable[[], str],
    s3: S3Client,
    tmp_path_factory: pytest.TempPathFactory,
) -> Trained:
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("trained") / "checkout", environment)
    use_noisy_table(checkout)
    runs, objects = [], []
    for options in ((), OTHER):
        runs.append(checkout.main(*TRAIN, *options))
        assert runs[-1].exit_code == 0, runs[-1].stderr
        objects.append(read_objects(s3, environment["BUCKET_NAME"]))
    return Trained(checkout, *runs, *objects)


@pytest.fixture
def trained(trained_once: Trained, s3: S3Client, tmp_path: Path) -> Checkout:
    """That project with its first champion, in the same bucket, on whose name the identity of tasks depends."""
    replace_objects(s3, trained_once.bucket, trained_once.objects)
    return trained_once.checkout.copy(tmp_path / "checkout")


@pytest.fixture(scope="module")
def published_batch(trained_once: Trained, s3: S3Client, tmp_path_factory: pytest.TempPathFactory) -> Published:
    replace_objects(s3, trained_once.bucket, trained_once.objects)
    checkout = trained_once.checkout.copy(tmp_path_factory.mktemp("batch") / "checkout")
    run = checkout.main(*SCORE, "--rows-per-part", "70")
    assert run.exit_code == 0, run.stderr
    return Published(checkout, read_objects(s3, trained_once.bucket))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Server]:
    if find_postgresql() is None:
        pytest.skip(MISSING)
    with serving(fsync="off") as running:
        yield running


@pytest.fixture
def database(postgresql: Server) -> Database:
    """An empty database of a PostgreSQL server."""
    return postgresql.create_database()
