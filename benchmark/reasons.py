"""Measure what the reasons of predictions cost, with the model of iris.

python benchmark/reasons.py [ROWS]     (1,000,000 rows by default)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from batch import PARQUET, Bench
from results import Results

from pipeline_runner.local_s3 import embedded_s3

REASONS = ("--with-reasons", "3")


def main(rows: int) -> None:
    """Measure in a folder that is removed afterwards."""
    results, run_task = Results(), ("gokart_pipeline_sample.RunTask", "--local-scheduler")
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        bench = Bench(Path(name) / "bench", server)
        table = bench.make_table(rows, "parquet")
        for options in ((), REASONS):
            batch, run = bench.score(table, *PARQUET, *options), bench.run("main.py", str(options), *run_task, *options)
            seconds = batch.seconds_of("ScoreTableTask")
            results.add(
                f"{len(options) and 3} reasons",
                rows_per_second=round(rows / seconds),
                seconds_of_pred_task=run.seconds_of("PredTask"),
                memory=round(batch.memory),
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000)
