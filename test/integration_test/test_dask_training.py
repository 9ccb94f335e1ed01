"""A cluster trains a model on a table that no machine holds."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import make_flowers
from support.checkout import Checkout, Run, make_environment
from support.dask_cluster import Cluster, clustering
from support.weighed import make_weights, weigh

from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

pytestmark = pytest.mark.long

# Enough rounds for what happens meanwhile.
LONG = [f"--gokart-pipeline-sample.TrainTask-{name}=300" for name in ("num-boost-round", "early-stopping-rounds")]
ROWS = make_flowers(3_000)
ROWS["target"] = (ROWS["petal_length"] + np.random.default_rng(0).normal(0, 1, len(ROWS))).clip(0, 8).floordiv(2.7)
ROWS["target"] = ROWS["target"].astype(int)


@pytest.fixture(scope="module")
def prepared(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project whose pieces are small, and whose preprocessing joins a lookup, which only this machine can read."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    prepared = Checkout.create(tmp_path_factory.mktemp("ranks") / "checkout", environment)
    prepared.edit(
        "gokart_pipeline_sample/pipeline/distributed/train_ranks.py", "PIECE_ROWS = 250_000", "PIECE_ROWS = 500"
    )
    weigh(prepared)
    make_weights(ROWS, 0).to_csv(prepared.directory / "weights.csv", index=False)
    return prepared


@pytest.fixture(scope="module")
def started(prepared: Checkout) -> Iterator[Cluster]:
    with clustering(prepared) as cluster:
        yield cluster


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    started.have_workers(2)
    return started


@pytest.fixture
def project(prepared: Checkout, bucket: str, s3: S3Client, tmp_path: Path) -> Checkout:
    """That project, with an empty bucket but for the table."""
    project = prepared.copy(tmp_path / "checkout", BUCKET_NAME=bucket)
    path = project.directory / "rows.parquet"
    ROWS.to_parquet(path, index=False, row_group_size=700)
    s3.upload_file(str(path), bucket, "table/rows.parquet")
    return project


def command(project: Checkout, cluster: Cluster, *options: str) -> list[str]:
    table = f"s3://{project.environment['BUCKET_NAME']}/table/"
    return [
        *("gokart_pipeline_sample.RunDistributedTask", "--local-scheduler", "--table", table, "--require-acc", "0.5"),
        *("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", cluster.address, *options),
    ]


def read_model(project: Checkout) -> str:
    (path,) = project.workspace.glob("TrainRanksTask_*.txt")
    return path.read_text()


def train(project: Checkout, cluster: Cluster, *options: str) -> Run:
    run = project.main(*command(project, cluster, *options))
    assert run.exit_code == 0, run.stderr
    return run


def test_two_ranks_train_the_same_model_run_after_run(
    project: Checkout, cluster: Cluster, tmp_path: Path, s3: S3Client
) -> None:
    again = project.copy(tmp_path / "again")
    train(project, cluster)
    s3.delete_object(Bucket=again.environment["BUCKET_NAME"], Key="output.csv")
    train(again, cluster)

    model = read_model(project)
    assert read_model(again) == model
    assert "[num_machines: 2]" in model
    assert "[machines:" not in model


def test_a_worker_that_is_lost_ends_all_ranks_and_the_next_run_trains_the_same_model(
    project: Checkout, cluster: Cluster, prepared: Checkout, tmp_path: Path, s3: S3Client
) -> None:
    exit_code, errors = interrupt(project, cluster, cluster.workers[0].kill)

    assert exit_code == 40, errors
    last = errors.splitlines()[-1]
    assert last.startswith("error: TrainRanksTask: ")
    assert re.search(r"the Dask worker tcp://\S+ is lost|a rank of the training has ended early", last)
    wait_for_no_rank(cluster)

    cluster.have_workers(2)
    train(project, cluster, *LONG)
    again = prepared.copy(tmp_path / "again", BUCKET_NAME=project.environment["BUCKET_NAME"])
    s3.delete_object(Bucket=again.environment["BUCKET_NAME"], Key="output.csv")
    train(again, cluster, *LONG)
    assert read_model(again) == read_model(project)


def test_a_rank_that_is_lost_ends_all(project: Checkout, cluster: Cluster) -> None:
    def kill_rank() -> None:
        for rank in psutil.Process(cluster.workers[0].pid).children():
            rank.kill()

    exit_code, errors = interrupt(project, cluster, kill_rank)

    assert exit_code == 40, errors
    assert errors.splitlines()[-1] == (
        "error: TrainRanksTask: a rank of the training has ended early: see the log of its Dask worker, and run again"
    )
    wait_for_no_rank(cluster)


def test_ends_when_all_workers_are_lost(project: Checkout, cluster: Cluster) -> None:
    def end_all() -> None:
        for worker in cluster.workers:
            worker.kill()

    exit_code, errors = interrupt(project, cluster, end_all)

    assert exit_code == 40, errors
    assert re.fullmatch(
        r"error: TrainRanksTask: the Dask worker tcp://\S+ is lost: look at its log, and run again",
        errors.splitlines()[-1],
    )


def test_needs_a_worker_for_each_rank(project: Checkout, cluster: Cluster) -> None:
    timeout = ("--gokart-pipeline-sample.ScoreTableTask-dask-timeout", "15")
    run = project.main(*command(project, cluster, "--ranks", "3", *timeout))

    assert run.exit_code == 40
    assert run.stderr.splitlines()[-1] == (
        "error: TrainRanksTask: the Dask cluster has 2 workers, 3 are needed: start more"
    )


def test_leaves_no_rank_behind_after_a_signal(project: Checkout, cluster: Cluster) -> None:
    exit_code, errors = interrupt(project, cluster, None)

    assert exit_code == 128 + signal.SIGTERM, errors
    assert errors.splitlines()[-1] == "error: stopped by SIGTERM: the next run goes on where this one stopped"
    wait_for_no_rank(cluster)


def interrupt(project: Checkout, cluster: Cluster, act: Callable[[], None] | None, *options: str) -> tuple[int, str]:
    """Do something while two ranks train, or end the run; return its exit code and what it has said."""
    main = [sys.executable, str(project.directory / "main.py"), *command(project, cluster, *LONG, *options)]
    with subprocess.Popen(
        main, cwd=project.directory, env=project.environment, stderr=subprocess.PIPE, text=True
    ) as driver:
        worker = cluster.workers[0].pid
        while not is_training(worker):
            assert driver.poll() is None, driver.stderr.read()
        (act or driver.terminate)()
        _, errors = driver.communicate(timeout=300)
        return driver.returncode, errors


def wait_for_no_rank(cluster: Cluster) -> None:
    """Wait until no worker that lives has a child."""
    deadline = time.monotonic() + 120
    workers = [worker for worker in cluster.workers if worker.poll() is None]
    while any(psutil.Process(worker.pid).children() for worker in workers):
        assert time.monotonic() < deadline


def is_training(worker: int) -> bool:
    """Whether a worker has a child that is connected with another rank."""
    try:
        children = psutil.Process(worker).children()
        return any(each.status == "ESTABLISHED" for child in children for each in child.net_connections())
    except psutil.NoSuchProcess:
        return False


def test_a_table_of_one_machine_is_refused(project: Checkout, cluster: Cluster) -> None:
    options = command(project, cluster)
    options[options.index("--table") + 1] = str(project.directory / "rows.parquet")

    run = project.main(*options)

    assert run.exit_code == 40
    assert run.stderr.splitlines()[-1] == (
        "error: SplitPiecesTask: several machines read the table: give the URI of Parquet files on S3"
    )
