"""Measure the way from a PostgreSQL database and back: two queries become tables, one trains, one is scored.

python benchmark/database.py [ROWS] [NEW_ROWS]     (make bench-database; 1,000,000 and 10,000,000 rows by default)

It prints the seconds, the peak memory and the rows of each step. The exit status is 1 if a step takes more than
700 MiB, the database does not have each row of the batch once, or less than 100,000 rows are delivered a second.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from environment import PROJECT

sys.path.append(str(PROJECT / "test"))
from support.checkout import Checkout, make_environment
from support.databases import Database, serving

from pipeline_runner.local_s3 import embedded_s3

MOST_MEMORY, LEAST_RATE = 700, 100_000  # MiB; rows a second
BUCKET, TABLE = "database", "analytics.flower_predictions"
INI = """
[gokart_pipeline_sample.LoadDataTask]
table=s3://database/flowers/latest.json

[gokart_pipeline_sample.TrainTask]
num_boost_round=100

[gokart_pipeline_sample.EvaluateTask]
permutation_repeats=0

"""
# Lengths between 0.1 and 8 cm, of which two tell the species, but for one row in twenty.
MAKE = """
CREATE TABLE {table} AS SELECT id, sepal_length, sepal_width, petal_length, petal_width,
    CASE WHEN random() < 0.05 THEN 0 WHEN petal_length < 2.5 THEN 0 WHEN petal_width < 1.7 THEN 1 ELSE 2 END AS target
FROM (SELECT id, round((0.1 + 7.9 * random())::numeric, 2)::float8 AS sepal_length,
    round((0.1 + 7.9 * random())::numeric, 2)::float8 AS sepal_width,
    round((0.1 + 7.9 * random())::numeric, 2)::float8 AS petal_length,
    round((0.1 + 2.9 * random())::numeric, 2)::float8 AS petal_width FROM generate_series(1, {rows}) AS id) AS lengths
"""
QUERIES = {
    "flowers": "SELECT * FROM flowers WHERE :as_of >= '2026-01-01'",
    "new_flowers": "SELECT id, sepal_length, sepal_width, petal_length, petal_width FROM new_flowers",
}


class Steps:
    """Runs of a project, one after the other, each of which is measured."""

    def __init__(self, checkout: Checkout) -> None:
        self._checkout = checkout
        self.highest = 0.0

    def run(self, name: str, rows: int, *arguments: str) -> float:
        """Run a task, and return how many rows it handles a second."""
        started, log = time.perf_counter(), self._checkout.directory / "log"
        with log.open("w") as stderr:
            command = [sys.executable, "main.py", *arguments]
            place = {"cwd": self._checkout.directory, "env": self._checkout.environment}
            process = subprocess.Popen(command, **place, stdout=subprocess.DEVNULL, stderr=stderr)
            _, status, usage = os.wait4(process.pid, 0)
        seconds, memory = time.perf_counter() - started, usage.ru_maxrss / 1024
        if status:
            sys.exit(f"{name} failed:\n{log.read_text()}")
        self.highest = max(self.highest, memory)
        tasks = [float(taken) for taken in re.findall(r"Task took ([\d.]+) s", log.read_text())]
        rate = rows / max(tasks) if tasks else 0.0
        shown = f"{rate:12,.0f} rows/s in its longest task" if tasks else f"{'nothing to do':>12}"
        print(f"{name:32} {rows:12,} rows  {seconds:8.1f} s  {memory:6.0f} MiB  {shown}", flush=True)
        return rate


def measure(database: Database, checkout: Checkout, rows: int, new_rows: int) -> bool:
    """Print the figures; return whether they are as they should be."""
    for table, number in (("flowers", rows), ("new_flowers", new_rows)):
        database.execute(MAKE.format(table=table, rows=number))
        (checkout.directory / f"{table}.sql").write_text(QUERIES[table])
    database.execute("CREATE SCHEMA analytics")
    checkout.edit("conf/param.ini", "[core]", f"{database.ini}{INI}[core]")
    steps, rates = Steps(checkout), []

    def snapshot(table: str, number: int) -> None:
        to = ("--as-of", "2026-11-29", "--to", f"s3://{BUCKET}/{table}")
        query = ("--source", "warehouse", "--query-file", f"{table}.sql")
        steps.run(f"snapshot {table}", number, "SnapshotTableTask", *query, *to)

    def deliver(name: str) -> bool:
        rates.append(steps.run(name, new_rows, "DeliverBatchTask", "--source", "warehouse", "--into", TABLE))
        counts = f"SELECT count(*), count(DISTINCT id), count(DISTINCT scored_at) FROM {TABLE}"  # noqa: S608
        return database.execute(counts) == [(new_rows, new_rows, 1)]

    snapshot("flowers", rows)
    steps.run("train", rows, "TrainChampionTask", "--gokart-pipeline-sample.CheckAccuracyTask-require-acc", "0.8")
    snapshot("new_flowers", new_rows)
    steps.run("score", new_rows, "ScoreChampionTask", "--table", f"s3://{BUCKET}/new_flowers/latest.json")
    are_right = [deliver("deliver"), deliver("deliver again")]
    database.execute(f"DELETE FROM {TABLE} WHERE id = {new_rows // 2}")  # noqa: S608
    are_right.append(deliver("deliver without a row"))
    print(
        f"counts right: {are_right}, at most {steps.highest:.0f} MiB, at least {min(rates[::2]):,.0f} rows/s delivered"
    )
    is_idle = not rates[1]
    return all(are_right) and is_idle and steps.highest < MOST_MEMORY and min(rates[::2]) > LEAST_RATE


def main(rows: int, new_rows: int) -> int:
    """Measure in folders that are removed afterwards; return the exit status."""
    with (
        tempfile.TemporaryDirectory() as name,
        embedded_s3.running(Path(name) / "s3") as server,
        serving() as postgresql,
    ):
        server.wait_until_ready()
        server.connect().create_bucket(Bucket=BUCKET)
        environment = make_environment(**{**server.environment(), "BUCKET_NAME": BUCKET})
        checkout = Checkout.create(Path(name) / "checkout", environment)
        return int(not measure(postgresql.create_database(), checkout, rows, new_rows))


if __name__ == "__main__":
    sys.exit(main(*(int(argument) for argument in (*sys.argv[1:], *("1000000", "10000000")[len(sys.argv) - 1 :]))))
