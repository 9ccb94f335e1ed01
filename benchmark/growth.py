"""Measure how the cost of runs grows with what they are given, and draw a chart for each.

python benchmark/growth.py     (make bench-growth; about ten minutes)

The exponent is the slope between the last two points of a chart, where both axes are logarithmic: 1 is linear growth.
"""

from __future__ import annotations

import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from batch import COMPILED, PARQUET, Bench, adopt_table
from environment import PROJECT, make_environment
from results import PATH

from pipeline_runner.local_s3 import embedded_s3

JSON, CHART = PATH.with_name("growth.json"), PATH.with_name("growth.png")
FILES_ROWS, TRAINING_ROWS = 100_000, 20_000
TRAINING = ["gokart_pipeline_sample.RunTask", "--local-scheduler"]


def measure_rows(directory: Path, server: embedded_s3.EmbeddedS3) -> Callable[[int], float]:
    """Score tables of iris with the compiled engine."""
    bench = Bench(directory, server)
    bench.score(bench.make_table(1000, "parquet"), *PARQUET, *COMPILED)
    return lambda rows: bench.score(bench.make_table(rows, "parquet"), *PARQUET, *COMPILED).seconds_of_tasks()


def measure_files(directory: Path, server: embedded_s3.EmbeddedS3) -> Callable[[int], float]:
    """Score the same rows in any number of Parquet files."""
    import pyarrow.parquet as pq

    bench = Bench(directory, server)

    def measure(files: int) -> float:
        folder, rows = directory / f"{files} files", FILES_ROWS // files
        folder.mkdir()
        table = pq.read_table(bench.make_table(FILES_ROWS, "parquet"))
        for number in range(files):
            pq.write_table(table.slice(number * rows, rows), folder / f"{number:05d}.parquet")
        return bench.score(folder, *PARQUET).seconds_of_tasks()

    return measure


def train_adopted(
    directory: Path, server: embedded_s3.EmbeddedS3, name: str, features: int, classes: int, rounds: int
) -> float:
    """Adopt a table, train on it and publish; the number of rounds is fixed."""
    project = adopt_table(
        directory / name, TRAINING_ROWS, features, classes, num_boost_round=rounds, early_stopping_rounds=rounds
    )
    bench = Bench(directory / name, server, project, train=False)
    key = ("--gokart-pipeline-sample.UploadS3Task-key", f"{name}.csv")
    return bench.run("main.py", "trained", *TRAINING, *key).seconds_of_tasks()


def measure_tasks(number: int) -> float:
    """Build a chain of tasks that do nothing."""
    command = [sys.executable, PROJECT / "benchmark" / "task_graphs.py", "ours", "chain", str(number)]
    built = subprocess.run(command, env=make_environment(), check=True, capture_output=True, text=True)
    return float(built.stdout.splitlines()[-1])


def measure(directory: Path, server: embedded_s3.EmbeddedS3) -> dict[str, dict[int, float]]:
    """Measure everything; return the seconds by size, by name."""
    sizes: dict[str, tuple[list[int], Callable[[int], float]]] = {
        "rows": ([10**power for power in (4, 5, 6, 7)], measure_rows(directory / "rows", server)),
        "columns": (
            [5, 16, 50, 158, 500],
            lambda number: train_adopted(directory, server, f"{number} columns", number, 2, 50),
        ),
        "classes": (
            [2, 5, 14, 37, 100],
            lambda number: train_adopted(directory, server, f"{number} classes", 10, number, 20),
        ),
        "tasks": ([10, 25, 63, 159, 400], measure_tasks),
        "files": ([1, 10, 100, 1000, 10_000], measure_files(directory / "files", server)),
    }
    measured: dict[str, dict[int, float]] = {}
    for name, (numbers, function) in sizes.items():
        measured[name] = {}
        for number in numbers:
            measured[name][number] = round(function(number), 3)
            print(f"{number:>10,} {name:8} {measured[name][number]:8.3f} s", flush=True)
        print(f"exponent {find_exponent(measured[name]):.2f}", flush=True)
    return measured


def find_exponent(seconds: dict[int, float]) -> float:
    """Return the slope between the last two points."""
    (small, short), (large, long) = [*seconds.items()][-2:]
    return math.log(long / short) / math.log(large / small)


def draw(measured: dict[str, dict[int, float]]) -> None:
    """Draw a chart for each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 2.6), layout="constrained")
    for axes, (name, seconds) in zip(figure.subplots(1, len(measured)), measured.items(), strict=True):
        axes.loglog(list(seconds), list(seconds.values()), marker="o", color="#3b7dd8")
        axes.set_title(f"exponent {find_exponent(seconds):.2f}", fontsize=10)
        axes.set_xlabel(name)
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
    figure.axes[0].set_ylabel("seconds")
    figure.savefig(CHART, dpi=110, metadata={"Software": None})


def main() -> None:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        measured = measure(Path(name), server)
    JSON.write_text(json.dumps(measured, indent=2) + "\n")
    draw(measured)


if __name__ == "__main__":
    main()
