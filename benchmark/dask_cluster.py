"""Measure Dask workers of one thread each: scoring, and the memory of the process that drives them.

python benchmark/dask_cluster.py [ROWS] [PAIRS]     (make bench-dask; needs two free cores)

10,000,000 rows, 3 pairs by default.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from pathlib import Path

from batch import Bench, Run
from distributed import LocalCluster

from pipeline_runner import embedded_s3

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
    with LocalCluster(workers, threads_per_worker=1, dashboard_address=None, memory_limit=None) as cluster:
        address = cluster.scheduler_address
        option = ("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", address)
        # The first run has the workers import what they need.
        bench.score(bench.make_table(1000, "parquet"), "--output-format", "parquet", *option)
        return bench.score(table, "--output-format", "parquet", *option)


def main(rows: int, pairs: int) -> None:
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


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10000000", "3")[len(sys.argv) - 1 :])))
