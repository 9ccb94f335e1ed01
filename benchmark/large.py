"""Measure a run that trains on a large table beside a plain script with the same parameters, in turn.

python benchmark/large.py [ROWS] [PAIRS]     (make bench-large; 1,000,000 rows and 3 pairs by default)

The table has 20 features and 3 classes, in Parquet; both train 100 rounds. This writes only its part of the results.
"""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path

import write_tables
from batch import Bench, adopt_table
from environment import PROJECT
from results import Results

from pipeline_runner.local_s3 import embedded_s3

ROUNDS = 100
TASK = "gokart_pipeline_sample.RunTask"
CHECKS = ("EvaluateTask", "CheckAccuracyTask")
NAME = "large: plain script"


def measure(results: Results, directory: Path, server: embedded_s3.EmbeddedS3, rows: int, pairs: int) -> None:
    """Run whole processes in turn: ours with its report, and the script."""
    project = adopt_table(directory, rows, 20, 3, num_boost_round=ROUNDS, early_stopping_rounds=ROUNDS)
    bench, seconds = Bench(directory, server, project, train=False), []
    script, table = PROJECT / "benchmark" / "plain.py", project / "labelled.parquet"
    for number in range(pairs):
        key = ("--gokart-pipeline-sample.UploadS3Task-key", f"large/{number}.csv")
        run = bench.run("main.py", f"large{number}", TASK, "--local-scheduler", *key)
        theirs = bench.run_script(script, f"large/script{number}.csv", str(table), str(ROUNDS), "0").seconds
        seconds.append((run.seconds, theirs))
    results.add_pairs(NAME, seconds)
    tasks = {name: float(taken) for name, taken in re.findall(r"(\w+Task) took ([\d.]+) s", run.stderr)}
    results.add("large: seconds of the last run", **tasks, checks=sum(tasks[name] for name in CHECKS))


def main(rows: int, pairs: int) -> None:
    """Measure in a folder that is removed afterwards, and renew the row of the tables."""
    results = Results()
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        measure(results, Path(name), server, rows, pairs)
    results.renew()
    write_tables.main()


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("1000000", "3")[len(sys.argv) - 1 :])))
