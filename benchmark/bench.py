"""Measure whole runs and batches, write docs/benchmark.json, and make the tables and the chart of docs/ of it.

python benchmark/bench.py [ROWS] [PAIRS]     (make bench; 10,000,000 rows and 5 pairs by default)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import batch
import compare
import large
import write_tables
from results import Results

from pipeline_runner.local_s3 import embedded_s3


def main(rows: int, pairs: int) -> None:
    """Measure in a folder that is removed afterwards."""
    results = Results()
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        kedro = compare.measure(results, Path(name), server, pairs)
        batch.measure(results, Path(name), server, rows, (pairs + 1) // 2)
        large.measure(results, Path(name) / "large", server, rows // 10, (pairs + 1) // 2)
    results.save(kedro)
    write_tables.main()


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10000000", "5")[len(sys.argv) - 1 :])))
