"""A cluster scores a table as one process does, and says what is wrong with it."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler
from importlib.metadata import version
from pathlib import Path

import pytest
from distributed import Client
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, make_flowers, read_batch, read_objects, take_objects
from support.checkout import Checkout, Run
from support.dask_cluster import Cluster, clustering
from support.recording_proxy import RecordingProxy, recording

from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

FLOWERS = make_flowers(3_000)
FLOWERS.loc[1_234, "petal_width"] = -1.0
# It is scored in ten parts.
OPTIONS = ("--rows-per-part", "300", "--with-proba", "true", "--on-bad-row", "reject", "--output-format", "parquet")


@pytest.fixture(scope="module")
def proxy(server: EmbeddedS3) -> Iterator[RecordingProxy]:
    """What is between the server and all of this module, driver and workers."""
    with recording(server.endpoint) as running:
        yield running


@pytest.fixture(scope="module")
def trained(published_once: Checkout, proxy: RecordingProxy, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project whose model is there."""
    trained = published_once.copy(tmp_path_factory.mktemp("dask") / "checkout", AWS_ENDPOINT_URL=proxy.endpoint)
    key = ("--gokart-pipeline-sample.UploadS3Task-key", "nested.csv")
    run = trained.main("gokart_pipeline_sample.RunNestTask", "--local-scheduler", *key)
    assert run.exit_code == 0, run.stderr
    return trained


@pytest.fixture(scope="module")
def started(trained: Checkout) -> Iterator[Cluster]:
    with clustering(trained) as cluster:
        yield cluster


@pytest.fixture
def cluster(started: Cluster, proxy: RecordingProxy) -> Cluster:
    """A cluster of two workers."""
    started.have_workers(2)
    proxy.before = lambda *_: None
    return started


@pytest.fixture
def project(trained: Checkout, bucket: str, tmp_path: Path) -> Checkout:
    """That project, with an empty bucket."""
    project = trained.copy(tmp_path / "checkout", BUCKET_NAME=bucket)
    FLOWERS.to_parquet(project.directory / "flowers.parquet", index=False, row_group_size=700)
    return project


def score(project: Checkout, scheduler: str = "", table: str = "flowers.parquet", *options: str) -> Run:
    return project.main(*command(scheduler, table), *options)


def command(scheduler: str, table: str = "flowers.parquet") -> tuple[str, ...]:
    address = ("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", scheduler)
    return (*RUN_BATCH, "--table", table, *OPTIONS, *(address if scheduler else ()))


def at_third_part(proxy: RecordingProxy, act: Callable[[], None]) -> None:
    """Do something when the third part is about to be put."""
    seen: set[str] = set()

    def look(method: str, path: str) -> None:
        if method == "PUT" and "/part-" in path and len(seen) < 3:
            seen.add(path)
            if len(seen) == 3:
                act()

    proxy.before = look


def at_first_note(proxy: RecordingProxy, act: Callable[[], None]) -> None:
    """Do something when the first part is about to be noted, and more are still to be put."""
    is_seen = threading.Event()

    def look(method: str, path: str) -> None:
        if method == "PUT" and "/figures/" in path and not is_seen.is_set():
            is_seen.set()
            act()

    proxy.before = look


def last_line(run: Run) -> str:
    assert run.exit_code == 40, run.stderr
    return run.stderr.splitlines()[-1]


@pytest.mark.long
class TestScoring:
    @pytest.mark.parametrize(
        ("place", "file_format"),
        [
            ("s3", "parquet"),
            ("s3", "csv"),
            ("local", "parquet"),
            ("local", "csv"),
        ],
    )
    def test_publishes_the_same_bytes_as_one_process(
        self,
        place: str,
        file_format: str,
        project: Checkout,
        cluster: Cluster,
        make_bucket: Callable[[], str],
        bucket: str,
        s3: S3Client,
    ) -> None:
        table = "flowers"
        folder = project.directory / table
        folder.mkdir()
        for number, rows in enumerate((FLOWERS[:1000], FLOWERS[1000:1001], FLOWERS[1001:])):
            path = folder / f"{number}.{file_format}"
            if file_format == "csv":
                rows.to_csv(path, index=False)
            else:
                rows.to_parquet(path, index=False, row_group_size=700)
        if place == "s3":
            table = f"s3://{make_bucket()}/flowers"
            for path in folder.iterdir():
                s3.put_object(Bucket=table.split("/")[2], Key=f"flowers/{path.name}", Body=path.read_bytes())
        alone = score(project, "", table)
        assert alone.exit_code == 0, alone.stderr
        expected = take_objects(s3, bucket)

        run = score(project, cluster.address, table)

        assert run.exit_code == 0, run.stderr
        assert read_objects(s3, bucket) == expected
        assert len(read_batch(s3, bucket).manifest["parts"]) == 10
        assert run.stderr.count("\n") < 30, run.stderr

    @pytest.mark.parametrize("options", [(), ("--nanny",)])
    def test_survives_the_loss_of_a_worker(
        self,
        options: tuple[str, ...],
        project: Checkout,
        cluster: Cluster,
        proxy: RecordingProxy,
        bucket: str,
        s3: S3Client,
    ) -> None:
        cluster.have_workers(1)
        worker = cluster.add_worker(*options)
        at_third_part(proxy, lambda: os.kill(find_process(worker.pid), signal.SIGKILL))

        run = score(project, cluster.address)

        assert run.exit_code == 0, run.stderr
        published = take_objects(s3, bucket)
        assert score(project).exit_code == 0
        assert read_objects(s3, bucket) == published

    def test_ends_when_all_workers_are_lost_and_goes_on_later(
        self, project: Checkout, cluster: Cluster, proxy: RecordingProxy, bucket: str, s3: S3Client
    ) -> None:
        # A part is kept once it is noted, after it.
        at_first_note(proxy, lambda: [worker.kill() for worker in cluster.workers])
        options = ("--gokart-pipeline-sample.ScoreTableTask-dask-timeout", "10")

        run = score(project, cluster.address, "flowers.parquet", *options)

        assert last_line(run) == (
            "error: ScoreTableTask: the Dask cluster has had no worker for 10 s (dask_timeout): "
            "start some and run again, what has been put is kept"
        )
        (notes,) = (json.loads(body) for key, (body, _) in read_objects(s3, bucket).items() if "/figures/" in key)
        kept = [part["key"] for note in notes.values() for part in note["put"].values()]
        assert kept
        cluster.have_workers(2)
        proxy.requests.clear()
        assert score(project, cluster.address).exit_code == 0
        assert not {f"/{bucket}/{key}" for key in kept} & {path for method, path in proxy.requests if method == "PUT"}
        assert len(read_batch(s3, bucket).manifest["parts"]) == 10

    def test_ends_when_the_scheduler_is_lost(self, project: Checkout, proxy: RecordingProxy) -> None:
        with clustering(project) as cluster:
            cluster.have_workers(1)
            at_third_part(proxy, cluster.scheduler.kill)

            line = last_line(score(project, cluster.address))

        proxy.before = lambda *_: None
        assert line == (
            "error: ScoreTableTask: the connection to the Dask scheduler is lost: look at its log, and run again"
        )

    def test_leaves_no_work_behind_after_a_signal(
        self, project: Checkout, cluster: Cluster, proxy: RecordingProxy, bucket: str, s3: S3Client
    ) -> None:
        main = [sys.executable, str(project.directory / "main.py"), *command(cluster.address)]
        with subprocess.Popen(
            main, cwd=project.directory, env=project.environment, stderr=subprocess.PIPE, text=True
        ) as driver:
            at_third_part(proxy, driver.terminate)
            _, errors = driver.communicate(timeout=300)

        assert driver.returncode == 128 + signal.SIGTERM
        assert errors.splitlines()[-1] == "error: stopped by SIGTERM: the next run goes on where this one stopped"
        with Client(cluster.address, set_as_default=False) as client:
            deadline = time.monotonic() + 120
            # Each worker ends the piece that it has begun.
            while client.run_on_scheduler(lambda dask_scheduler: len(dask_scheduler.tasks)):
                assert time.monotonic() < deadline
            assert not any(client.processing().values())
        assert read_batch(s3, bucket) is None

    def test_encrypts_what_it_sends_if_the_address_says_so(self, project: Checkout, tmp_path: Path) -> None:
        certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
        subprocess.run(
            [
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost"),
                *("-keyout", str(key), "-out", str(certificate)),
            ],
            check=True,
            capture_output=True,
        )
        settings = {"CA_FILE": str(certificate)}
        for role in ("SCHEDULER", "WORKER", "CLIENT"):
            settings |= {f"{role}__CERT": str(certificate), f"{role}__KEY": str(key)}
        variables = {f"DASK_DISTRIBUTED__COMM__TLS__{name}": value for name, value in settings.items()}
        safe = project.copy(tmp_path / "safe", **variables)
        with clustering(safe, "--protocol", "tls") as cluster:
            cluster.have_workers(1)
            assert cluster.address.startswith("tls://")

            line = last_line(score(project, cluster.address))
            run = score(safe, cluster.address)

        assert run.exit_code == 0, run.stderr
        assert f"{cluster.address}: no Dask scheduler answers" in line


class TestWrongClusters:
    @pytest.mark.long
    def test_another_server(self, project: Checkout) -> None:
        with socketserver.ThreadingTCPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            address = f"tcp://127.0.0.1:{server.server_address[1]}"
            # Dask itself would wait for ever.
            line = last_line(score(project, address))
            server.shutdown()

        assert line.startswith(f"error: GuardTableTask: {address}: no Dask scheduler answers: correct dask_sched")

    @pytest.mark.long
    def test_an_address_without_a_server(self, project: Checkout) -> None:
        line = last_line(score(project, "tcp://127.0.0.1:1"))

        assert line.startswith("error: GuardTableTask: tcp://127.0.0.1:1: no Dask scheduler answers: correct dask")

    def test_what_is_no_address(self, project: Checkout) -> None:
        run = score(project, "localhost:8786")

        assert run.exit_code == 2
        problem = "error: the address of a Dask scheduler is 'localhost:8786': give tcp://HOST:PORT or"
        assert run.stderr.splitlines()[-1].startswith(problem)

    @pytest.mark.long
    def test_no_workers(self, project: Checkout, cluster: Cluster) -> None:
        cluster.have_workers(0)

        line = last_line(score(project, cluster.address))

        assert line == f"error: GuardTableTask: {cluster.address}: the Dask scheduler has no workers: start some"

    @pytest.mark.long
    def test_other_code_on_a_worker(self, project: Checkout, cluster: Cluster, tmp_path: Path) -> None:
        other = project.copy(tmp_path / "other")
        other.edit("gokart_pipeline_sample/pipeline/preprocess.py", "return length * width", "return width * length")
        worker = cluster.add_worker(checkout=other)

        line = last_line(score(project, cluster.address))

        cluster.end(worker)
        assert line.startswith(f"error: GuardTableTask: {cluster.address}: the worker tcp://127.0.0.1:")
        assert " has the code " in line
        assert "give scheduler and workers the environment of this run, and restart them after a change" in line

    @pytest.mark.long
    def test_another_library_on_a_worker(self, project: Checkout, cluster: Cluster, tmp_path: Path) -> None:
        metadata = tmp_path / "libraries" / "pandera-0.1.0.dist-info" / "METADATA"
        metadata.parent.mkdir(parents=True)
        metadata.write_text("Metadata-Version: 2.1\nName: pandera\nVersion: 0.1.0\n")
        folders = (str(metadata.parents[1]), str(project.directory))
        worker = cluster.add_worker(PYTHONPATH=os.pathsep.join(folders))

        line = last_line(score(project, cluster.address))

        cluster.end(worker)
        assert f" has pandera 0.1.0 instead of {version('pandera')}: give scheduler and workers the" in line

    @pytest.mark.long
    def test_other_code_on_a_worker_that_joins_later(
        self, project: Checkout, cluster: Cluster, proxy: RecordingProxy, tmp_path: Path
    ) -> None:
        other = project.copy(tmp_path / "other")
        other.edit("gokart_pipeline_sample/pipeline/preprocess.py", "return length * width", "return width * length")
        cluster.have_workers(1)
        at_third_part(proxy, lambda: cluster.add_worker(checkout=other))

        line = last_line(score(project, cluster.address))

        cluster.have_workers(0)
        assert line.startswith("error: ScoreTableTask: a Dask worker has the code ")

    @pytest.mark.long
    def test_a_worker_that_hangs(self, project: Checkout, cluster: Cluster) -> None:
        os.kill(cluster.workers[0].pid, signal.SIGSTOP)
        options = ("--gokart-pipeline-sample.ScoreTableTask-dask-timeout", "5")

        line = last_line(score(project, cluster.address, "flowers.parquet", *options))

        cluster.end(cluster.workers[0])
        assert line == (
            f"error: GuardTableTask: {cluster.address}: not all Dask workers answer: "
            "end those that hang (no answer within 5 s)"
        )

    @pytest.mark.long
    def test_a_worker_with_another_s3(self, project: Checkout, cluster: Cluster, server: EmbeddedS3) -> None:
        worker = cluster.add_worker(AWS_ENDPOINT_URL=server.endpoint)

        line = last_line(score(project, cluster.address))

        cluster.end(worker)
        assert f"has the S3 {server.endpoint} instead of {project.environment['AWS_ENDPOINT_URL']}: " in line
        assert line.endswith(
            "the embedded S3 serves this machine alone: set BUCKET_NAME to a bucket that the workers reach, too"
        )


def find_process(process_id: int) -> int:
    """Return the process that works: that of a nanny is its child."""
    children = Path(f"/proc/{process_id}/task/{process_id}/children").read_text().split()
    return find_process(int(children[-1])) if children else process_id
