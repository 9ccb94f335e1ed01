"""Measure Dask workers of one thread each: scoring, training, and the memory of the process that drives them.

python benchmark/dask_cluster.py [ROWS] [PAIRS] [TRAINING_ROWS]     (make bench-dask; needs two free cores)

10,000,000 rows, 3 pairs and 5,000,000 rows to train on by default.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

from batch import Bench, Run
from distributed import LocalCluster

from pipeline_runner.local_s3 import embedded_s3

TASKS = ("GuardTableTask", "ScoreTableTask")


def put_table(bench: Bench, server: embedded_s3.EmbeddedS3, rows: int) -> str:
    """Put a table to S3, where the workers read it, and return its URI."""
    path = bench.make_table(rows, "parquet")
    server.connect().upload_file(str(path), embedded_s3.BUCKET, f"tables/{path.name}")
    return f"s3://{embedded_s3.BUCKET}/tables/{path.name}"


def score(bench: Bench, table: str, workers: int) -> Run:
    """Score a table on new workers, or, with none, in the process that drives them."""
    if not workers:
        return bench.score(table, "--output-format", "parquet")
    with LocalCluster(n_workers=workers, threads_per_worker=1, dashboard_address=None, memory_limit=None) as cluster:
        address = cluster.scheduler_address
        option = ("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", address)
        # The first run has the workers import what they need.
        bench.score(bench.make_table(1000, "parquet"), "--output-format", "parquet", *option)
        return bench.score(table, "--output-format", "parquet", *option)


def put_labelled_table(bench: Bench, server: embedded_s3.EmbeddedS3, rows: int) -> str:
    """Put a table whose noisy target depends on its columns to S3, and return its URI."""
    import numpy as np
    import pandas as pd

    path = bench.make_table(rows, "parquet")
    data = pd.read_parquet(path)
    noise = np.random.default_rng(0).normal(0, 1, rows)
    score = data["petal_length"] + np.sin(data["sepal_length"] * data["sepal_width"]) + noise
    data.assign(target=score.clip(0, 8).floordiv(2.7).astype(int)).to_parquet(path, index=False)
    server.connect().upload_file(str(path), embedded_s3.BUCKET, f"labelled/{path.name}")
    return f"s3://{embedded_s3.BUCKET}/labelled/{path.name}"


def train(bench: Bench, directory: Path, table: str, ranks: int) -> None:
    """Train in ranks, or, with none, on one machine, and print how long that took and how good the model is."""
    name = f"trained in {ranks} ranks" if ranks else "trained on one machine"
    common = ("--local-scheduler", "--require-acc", "0.1")
    # A hundred rounds tell the ranks from one machine; early stopping would come after thousands.
    rounds = ("--gokart-pipeline-sample.TrainTask-num-boost-round", "100")
    few = (*rounds, "--gokart-pipeline-sample.EvaluateTask-permutation-repeats", "0")
    if ranks:
        task = "TrainRanksTask"
        with LocalCluster(n_workers=ranks, threads_per_worker=1, dashboard_address=None, memory_limit=None) as cluster:
            address = ("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", cluster.scheduler_address)
            options = (*common, *few, *address, "--ranks", str(ranks), "--table", table)
            run = bench.run("main.py", name, "gokart_pipeline_sample.RunDistributedTask", *options)
    else:
        task = "TrainTask"
        section = "--gokart-pipeline-sample.LoadDataTask"
        options = (*common, *few, f"{section}-table", table, f"{section}-max-memory-share", "0.5")
        by_id = ("--gokart-pipeline-sample.SplitDataTask-split-by", "id")
        run = bench.run("main.py", name, "gokart_pipeline_sample.RunTask", *options, *by_id)
    (path,) = (directory / name).glob("metrics_*.json")
    model = json.loads(path.read_text())["model"]
    print(
        f"{name}: {task} {run.seconds_of(task):.2f} s, whole command {run.seconds:.2f} s, driver {run.memory:.0f} MiB, "
        f"accuracy {model['accuracy']:.5f}, log loss {model['log_loss']:.5f}",
        flush=True,
    )


def main(rows: int, pairs: int, training_rows: int) -> None:
    """Run all measurements and print a line for each."""
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        os.environ.update(server.environment())
        bench = Bench(Path(name), server)

        small, large = (put_table(bench, server, count) for count in (rows // 10, rows))
        print(f"driver's peak memory, {rows // 10:,} rows: {score(bench, small, 2).memory:.0f} MiB", flush=True)
        measured: dict[int, list[float]] = {0: [], 1: [], 2: []}
        for _ in range(pairs):
            for workers, seconds in measured.items():
                run = score(bench, large, workers)
                seconds.append(sum(run.seconds_of(task) for task in TASKS))
                place = f"{workers} workers" if workers else "in-process"
                each = ", ".join(f"{task} {run.seconds_of(task):.2f} s" for task in TASKS)
                print(f"{place}: {each}, whole command {run.seconds:.2f} s, driver {run.memory:.0f} MiB", flush=True)
        alone, one, two = (statistics.median(seconds) for seconds in measured.values())
        print(f"two workers are {one / two:.2f} times as fast as one, and one {alone / one:.2f} times as fast as none")

        labelled = put_labelled_table(bench, server, training_rows)
        for ranks in (0, 1, 2):
            train(bench, Path(name), labelled, ranks)


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10000000", "3", "5000000")[len(sys.argv) - 1 :])))
