"""Measure batches: time beside that of LightGBM alone and of a plain script, memory at two sizes, equality of bits.

python benchmark/batch.py [ROWS] [PAIRS]     (make bench-batch; 10,000,000 rows and 3 pairs by default)

The light model is that of iris, the heavy one has 20 features, 3 classes and 300 rounds of trees with 31 leaves.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from pathlib import Path

from environment import PROJECT, make_environment, write_ini
from results import Results

from pipeline_runner.local_s3 import embedded_s3

TASK = ["gokart_pipeline_sample.RunBatchTask", "--local-scheduler"]
PARQUET = ("--output-format", "parquet")
INTERPRETED = ("--gokart-pipeline-sample.ScoreTableTask-engine", "interpreted")
COMPILED = ("--gokart-pipeline-sample.ScoreTableTask-engine", "compiled")


@dataclass
class Run:
    """A finished process: its duration (s), its peak memory (MiB) and its output."""

    seconds: float
    memory: float
    stdout: str
    stderr: str

    def seconds_of(self, task: str) -> float:
        """Return the seconds that a task took."""
        return float(re.search(rf"{task} took ([\d.]+) s", self.stderr)[1])

    def seconds_of_tasks(self) -> float:
        """Return the seconds that all tasks took, without the start and the end of the process."""
        return sum(float(seconds) for seconds in re.findall(r"Task took ([\d.]+) s", self.stderr))


class Bench:
    """Tables, a model and a server in a folder.

    Args:
        directory: the folder.
        server: the server.
        project: folder of the project.
        columns: options of ``make_table.py`` for the columns of its tables.
        train: whether to train the model, on the table of the project.
    """

    def __init__(
        self,
        directory: Path,
        server: embedded_s3.EmbeddedS3,
        project: Path = PROJECT,
        columns: tuple[str, ...] = (),
        *,
        train: bool = True,
    ) -> None:
        self._directory = directory
        self._server = server
        self._project = project
        self._columns = columns
        # A library that another run has left would hide what compiling takes.
        self._environment = make_environment(server, XDG_CACHE_HOME=str(directory / "cache"))
        self._runs = 0
        directory.mkdir(parents=True, exist_ok=True)
        if train:
            self.score(self.make_table(1000, "parquet"), workspace="trained")
            (self.model,) = (directory / "trained").glob("TrainTask_*.txt")

    def make_table(self, rows: int, file_format: str, *options: str) -> Path:
        """Write a table with the given number of rows."""
        path = self._directory / f"{rows}{''.join(options)}.{file_format}"
        if not path.exists():
            self.run_script(PROJECT / "benchmark" / "make_table.py", str(rows), str(path), *self._columns, *options)
        return path

    def score(self, table: Path, *options: str, workspace: str | None = None, script: str = "main.py") -> Run:
        """Score a table; the model has already been trained."""
        self._runs += 1
        name = workspace or f"run{self._runs}"
        if workspace is None:
            shutil.copytree(self._directory / "trained", self._directory / name)
        prefix = f"{self._directory.name}/{name}"
        return self.run(script, name, *TASK, "--table", str(table), "--prefix", prefix, *options)

    def run(self, script: str, workspace: str, *arguments: str) -> Run:
        """Run a script as main.py is run, with a workspace of that name in the folder."""
        ini = write_ini(self._directory / f"{workspace}.ini", self._directory / workspace, self._project)
        return self.run_script(self._project / script, *arguments, LUIGI_CONFIG_PATH=str(ini))

    def predict(self, table: Path) -> float:
        """Return the seconds that the compiled model alone takes, which is called once."""
        return float(self.run_script(PROJECT / "benchmark" / "predict.py", str(self.model), str(table)).stdout)

    def run_plain_script(self, table: Path, probabilities: Path | None = None) -> tuple[float, float]:
        """Return the seconds that the batch script that everyone writes takes, and LightGBM in it, called once."""
        script, keep = PROJECT / "benchmark" / "batch_script.py", [str(probabilities)] if probabilities else []
        started = time.time()
        seconds, done = self.run_script(script, str(self.model), str(table), "script", *keep).stdout.split()
        return float(done) - started, float(seconds)

    def published_equals(self, probabilities: Path) -> bool:
        """Return whether the last run published exactly these probabilities, bit for bit."""
        # In a process of its own: the system counts the memory of this one as the peak of those that it starts.
        process = get_context("fork").Process(target=lambda: sys.exit(not self._published_equals(probabilities)))
        process.start()
        process.join()
        return process.exitcode == 0

    def _published_equals(self, probabilities: Path) -> bool:
        import numpy as np
        import pandas as pd

        client = self._server.connect()

        def read(key: str) -> bytes:
            return client.get_object(Bucket=embedded_s3.BUCKET, Key=key)["Body"].read()

        expected, start = np.load(probabilities, mmap_mode="r"), 0
        manifest = json.loads(read(json.loads(read(f"{self._directory.name}/run{self._runs}/latest.json"))["manifest"]))
        for part in manifest["parts"]:
            data = pd.read_parquet(BytesIO(read(part["key"])))
            rows = expected[start : start + len(data)]
            start += len(data)
            if data.filter(like="probability_").to_numpy().tobytes() != np.ascontiguousarray(rows).tobytes():
                return False
        return start == len(expected)

    def run_script(self, script: Path, *arguments: str, **variables: str) -> Run:
        """Run a script with the variables of the server."""
        command = [sys.executable, str(script), *arguments]
        outputs = [self._directory / name for name in ("stdout", "stderr")]
        started = time.perf_counter()
        with outputs[0].open("w") as stdout, outputs[1].open("w") as stderr:
            process = subprocess.Popen(command, env={**self._environment, **variables}, stdout=stdout, stderr=stderr)
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
        texts = [path.read_text() for path in outputs]
        if status != 0:
            sys.exit(f"{' '.join(command)} failed:\n{texts[1]}")
        return Run(seconds, usage.ru_maxrss / 1024, *texts)


def adopt_table(directory: Path, rows: int, features: int, classes: int, **training: float) -> Path:
    """Adopt a table in a copy of the project, and return its folder.

    Args:
        directory: a folder for the copy.
        rows: number of rows.
        features: number of features.
        classes: number of classes.
        training: parameters of TrainTask.
    """
    project, columns = directory / "project", ("--features", str(features), "--classes", str(classes))
    for name in ("main.py", "conf", "gokart_pipeline_sample", "pipeline_runner"):
        copy = shutil.copytree if (PROJECT / name).is_dir() else shutil.copy2
        project.mkdir(parents=True, exist_ok=True)
        copy(PROJECT / name, project / name)
    table = project / "labelled.parquet"
    subprocess.run([sys.executable, PROJECT / "benchmark" / "make_table.py", str(rows), table, *columns], check=True)
    adopt = ("--new-table", table, "--id", "id", "--target", "target", "--yes")
    subprocess.run([sys.executable, project / "main.py", *adopt], check=True, capture_output=True)
    settings = "".join(f"{name}={value}\n" for name, value in training.items())
    ini = project / "conf" / "param.ini"
    text = ini.read_text().replace("require_acc=0.9", "require_acc=0.0").replace("labelled.parquet", str(table))
    ini.write_text(f"{text}\n[gokart_pipeline_sample.TrainTask]\n{settings}")
    return project


def make_heavy_bench(directory: Path, server: embedded_s3.EmbeddedS3) -> Bench:
    """Train a heavy model on a table with 20 features."""
    training = {"num_boost_round": 300, "early_stopping_rounds": 300, "learning_rate": 0.1}
    return Bench(directory, server, adopt_table(directory, 60_000, 20, 3, **training), ("--features", "20"))


def add_memory(results: Results, name: str, small: Run, large: Run, rows: int) -> None:
    """Keep the peak memory of two runs, and the throughput of the larger one."""
    per_second = round(rows / large.seconds)
    results.add(name, small=round(small.memory), large=round(large.memory), rows_per_second=per_second)


def measure_engines(results: Results, name: str, bench: Bench, rows: int, pairs: int) -> None:
    """Compare batches from Parquet to Parquet with the plain script, and with the bare prediction of both engines.

    The library has been compiled before, as on all days but the first one; that is measured as well.
    """
    table = bench.make_table(rows, "parquet")
    probabilities = table.with_suffix(".npy")
    first, again = (bench.score(bench.make_table(rows // 100, "parquet"), *COMPILED).seconds for _ in range(2))
    results.add(f"{name}: to compile", seconds=first - again)
    measured = []
    for number in range(pairs):
        run = bench.score(table, *PARQUET, *COMPILED)
        measured.append(
            (run.seconds, *bench.run_plain_script(table, None if number else probabilities), bench.predict(table))
        )
    others = ("plain script, parquet", "Booster.predict alone", "compiled alone")
    for place, other in enumerate(others, start=1):
        results.add_pairs(f"{name}: {other}", [(pair[0], pair[place]) for pair in measured])
    interpreted = bench.score(table, *PARQUET, *INTERPRETED).seconds
    results.add_pairs(f"{name}: Booster.predict alone, no compiler", [(interpreted, measured[-1][2])])
    add_memory(results, f"memory: {name}", bench.score(bench.make_table(rows // 10, "parquet"), *PARQUET), run, rows)
    bench.score(table, *PARQUET, *COMPILED, "--with-proba", "true")
    results.add(f"{name}: bits as in one call", equal=bench.published_equals(probabilities))


def measure(results: Results, directory: Path, server: embedded_s3.EmbeddedS3, rows: int, pairs: int) -> None:
    """Run all measurements."""
    bench = Bench(directory / "light", server)
    measure_engines(results, "light", bench, rows, pairs)
    for file_format, options in (("csv", []), ("parquet", ["--shuffle"])):
        small, large = (
            bench.score(bench.make_table(count, file_format, *options), "--output-format", file_format, *COMPILED)
            for count in (rows // 10, rows)
        )
        add_memory(results, f"memory: {' '.join([file_format, *options])}", small, large, rows)
    table = bench.make_table(rows, "csv")
    scored = [(bench.score(table, *COMPILED).seconds, bench.run_plain_script(table)[0]) for _ in range(pairs)]
    results.add_pairs("light: plain script, csv", scored)
    table = bench.make_table(rows, "parquet")
    blind = {"script": "benchmark/without_shift.py"}
    results.add_pairs(
        "light: without the shift",
        [
            (bench.score(table, *PARQUET, *COMPILED).seconds, bench.score(table, *PARQUET, *COMPILED, **blind).seconds)
            for _ in range(pairs)
        ],
    )
    measure_engines(results, "heavy", make_heavy_bench(directory / "heavy", server), rows, 1)


def main(rows: int, pairs: int) -> None:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        measure(Results(), Path(name), server, rows, pairs)


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10000000", "3")[len(sys.argv) - 1 :])))
