"""Measure batches: memory at two sizes, throughput relative to LightGBM alone, and bit-for-bit equality with it.

python benchmark/batch.py [ROWS] [PAIRS]     (make bench-batch; 10,000,000 rows and 3 pairs by default)
"""

from __future__ import annotations

import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from pipeline_runner import embedded_s3

PROJECT = Path(__file__).resolve().parents[1]
TASK = ["gokart_pipeline_sample.RunBatchTask", "--local-scheduler"]


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


class Bench:
    """Tables, a model and a server in a folder."""

    def __init__(self, directory: Path, server: embedded_s3.EmbeddedS3) -> None:
        self._directory = directory
        self._server = server
        alone = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BUCKET_NAME"))}
        self._environment = {**alone, **server.environment()}
        self._runs = 0
        self.score(self.make_table(1000, "parquet"), workspace="trained")
        (self.model,) = (directory / "trained").glob("TrainTask_*.txt")

    def make_table(self, rows: int, file_format: str, *options: str) -> Path:
        """Write a table with the given number of rows."""
        path = self._directory / f"{rows}{''.join(options)}.{file_format}"
        self._run("benchmark/make_table.py", str(rows), str(path), *options)
        return path

    def score(self, table: Path, *options: str, workspace: str | None = None, script: str = "main.py") -> Run:
        """Score a table; the model has already been trained."""
        self._runs += 1
        name = workspace or f"run{self._runs}"
        if workspace is None:
            shutil.copytree(self._directory / "trained", self._directory / name)
        return self.run(script, name, *TASK, "--table", str(table), "--prefix", name, *options)

    def run(self, script: str, workspace: str, *arguments: str) -> Run:
        """Run a script as main.py is run, with a workspace of that name in the folder."""
        ini = self._directory / f"{workspace}.ini"
        configuration = (PROJECT / "conf" / "param.ini").read_text()
        ini.write_text(configuration.replace("./resources", str(self._directory / workspace)))
        return self._run(script, *arguments, LUIGI_CONFIG_PATH=str(ini))

    def predict(self, table: Path, probabilities: Path | None = None) -> float:
        """Return the seconds that LightGBM alone takes."""
        keep = [] if probabilities is None else [str(probabilities)]
        return float(self._run("benchmark/predict.py", str(self.model), str(table), *keep).stdout)

    def published_equals(self, probabilities: Path) -> bool:
        """Return whether the last run published exactly these probabilities, bit for bit."""
        import numpy as np
        import pandas as pd

        client = self._server.connect()

        def read(key: str) -> bytes:
            return client.get_object(Bucket=embedded_s3.BUCKET, Key=key)["Body"].read()

        expected, start = np.load(probabilities, mmap_mode="r"), 0
        manifest = json.loads(read(json.loads(read(f"run{self._runs}/latest.json"))["manifest"]))
        for part in manifest["parts"]:
            data = pd.read_parquet(BytesIO(read(part["key"])))
            rows = expected[start : start + len(data)]
            start += len(data)
            if data.filter(like="probability_").to_numpy().tobytes() != np.ascontiguousarray(rows).tobytes():
                return False
        return start == len(expected)

    def _run(self, script: str, *arguments: str, **variables: str) -> Run:
        command = [sys.executable, str(PROJECT / script), *arguments]
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


def main(rows: int, pairs: int) -> None:
    """Run all measurements and print a line for each."""
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        directory = Path(name)
        server.wait_until_ready()
        bench = Bench(directory, server)

        for file_format, options in (("parquet", []), ("csv", []), ("parquet", ["--shuffle"])):
            small, large = (
                bench.score(bench.make_table(count, file_format, *options), "--output-format", file_format)
                for count in (rows // 10, rows)
            )
            print(
                f"peak memory, {file_format} {' '.join(options):10} {rows // 10:10,} rows {small.memory:5.0f} MiB, "
                f"{rows:10,} rows {large.memory:5.0f} MiB   ratio {large.memory / small.memory:4.2f}   "
                f"{rows / large.seconds:9,.0f} rows/s",
                flush=True,
            )

        table, probabilities = directory / f"{rows}.parquet", directory / "probabilities.npy"
        bench.predict(table, probabilities)
        bench.score(table, "--output-format", "parquet", "--with-proba", "true")
        print("bits as in one go:", bench.published_equals(probabilities), flush=True)

        measured = []
        for _ in range(pairs):
            run = bench.score(table, "--output-format", "parquet")
            alone = bench.predict(table)
            blind = bench.score(table, "--output-format", "parquet", script="benchmark/without_shift.py").seconds
            tasks = (run.seconds_of("GuardTableTask"), run.seconds_of("ScoreTableTask"))
            measured.append((run.seconds, alone, *tasks, blind))
        whole, alone, guard, score, _ = (statistics.median(seconds) for seconds in zip(*measured, strict=True))
        print(f"Booster.predict {alone:.2f} s, guard {guard:.2f} s, score {score:.2f} s, whole command {whole:.2f} s")
        for name, ratios in {
            "score / Booster.predict alone": [other / scored for _, other, _, scored, _ in measured],
            "guard and score / Booster.predict alone": [other / (one + two) for _, other, one, two, _ in measured],
            "whole command / Booster.predict alone": [other / total for total, other, *_ in measured],
            "whole command / the same without the shift": [blind / total for total, *_, blind in measured],
        }.items():
            print(f"throughput of {name}: {statistics.median(ratios):4.2f}")


if __name__ == "__main__":
    main(*(int(argument) for argument in (*sys.argv[1:], *("10000000", "3")[len(sys.argv) - 1 :])))
