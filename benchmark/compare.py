"""Measure whole runs: beside plain scripts, the design of the talk and Kedro, each in turn, on a real S3 server.

python benchmark/compare.py [PAIRS]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

from environment import PROJECT, make_environment, write_ini
from results import Results

from pipeline_runner.local_s3 import embedded_s3

BENCHMARK = PROJECT / "benchmark"
PAIRS = 9
KEY = "--gokart-pipeline-sample.UploadS3Task-key"
KEDRO = ("kedro>=1.7,<2", "kedro-datasets[pandas-parquetdataset,pickle-pickledataset]")
# Those of Kedro's environment are those of this one.
SHARED = ("boto3", "lightgbm", "numpy", "pandas", "pandera", "pyarrow", "scikit-learn", "scipy")


def install_kedro(folder: Path) -> Path:
    """Make an environment with Kedro, and return its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    libraries = [f"{name}=={version(name)}" for name in SHARED]
    subprocess.run([python, "-m", "pip", "install", "--quiet", *KEDRO, *libraries], check=True)
    return python


class Runs:
    """Whole runs, each with a workspace and a key of its own unless they are named alike.

    Args:
        directory: a folder for all of them.
        server: the server that they put to.
    """

    def __init__(self, directory: Path, server: embedded_s3.EmbeddedS3) -> None:
        self._directory = directory
        # Without the server's variables, a run starts a server of its own.
        self.alone = make_environment()
        self._environment = make_environment(server)

    def run(self, *command: str | Path, environment: dict[str, str] | None = None) -> float:
        """Run a command, and return its seconds."""
        started = time.perf_counter()
        subprocess.run(command, env=environment or self._environment, check=True, capture_output=True)
        return time.perf_counter() - started

    def script(self, name: str, *arguments: str) -> float:
        """Run a script of this folder."""
        return self.run(sys.executable, BENCHMARK / name, *arguments)

    def pipeline(
        self,
        name: str,
        *arguments: str,
        report: bool = False,
        workspace: str | None = None,
        environment: dict[str, str] | None = None,
    ) -> float:
        """Run the pipeline in a workspace of that name, or elsewhere."""
        ini = write_ini(self._directory / f"{name}.ini", workspace or self._directory / name, report=report)
        variables = {**(environment or self._environment), "LUIGI_CONFIG_PATH": str(ini)}
        # The report is put beside the output.
        key = () if environment else (KEY, f"{name}/output.csv")
        return self.run(sys.executable, PROJECT / "main.py", *arguments, *key, environment=variables)


def measure(results: Results, directory: Path, server: embedded_s3.EmbeddedS3, pairs: int) -> str:
    """Run all measurements, and return the version of Kedro."""
    runs, kedro = Runs(directory, server), install_kedro(directory / "environment")
    folder = str(directory / "talk")

    def compare_cold(name: str, ours: str, theirs: Callable[[int], float], **options: Any) -> None:
        results.compare(name, pairs, lambda number: runs.pipeline(f"{ours}{number}", **options), theirs)

    compare_cold("cold: plain script", "plain", lambda number: runs.script("plain.py", f"script{number}"))
    compare_cold(
        "cold with report: plain script", "report", lambda number: runs.script("plain.py", f"s{number}"), report=True
    )
    compare_cold("cold: the talk's design", "new", lambda n: runs.script("talk.py", f"{folder}{n}", f"talk{n}"))
    compare_cold(
        "cold: Kedro",
        "beside",
        lambda number: runs.run(kedro, BENCHMARK / "kedro_pipeline.py", directory / f"kedro{number}", f"kedro{number}"),
    )
    compare_cold("cold: S3 that runs already", "own", lambda n: runs.pipeline(f"running{n}"), environment=runs.alone)
    results.compare(
        "cold: workspace in a folder",
        pairs,
        lambda n: runs.pipeline(f"on_s3{n}", workspace=f"s3://{embedded_s3.BUCKET}/workspaces/{n}"),
        lambda n: runs.pipeline(f"in_folder{n}"),
    )
    results.compare(
        "up to date: imports and one HEAD",
        pairs,
        lambda _: runs.pipeline("up_to_date"),
        lambda _: runs.script("head.py", "up_to_date/output.csv"),
    )
    results.compare(
        "plan: run that is up to date",
        pairs,
        lambda _: runs.pipeline("up_to_date", "--plan"),
        lambda _: runs.pipeline("up_to_date"),
    )
    found = subprocess.run(
        [kedro, "-c", "from importlib.metadata import version; print(version('kedro'))"],
        check=True,
        capture_output=True,
        text=True,
    )
    return found.stdout.strip()


def main(pairs: int) -> None:
    """Measure in a folder that is removed afterwards."""
    with tempfile.TemporaryDirectory() as name, embedded_s3.running(Path(name) / "s3") as server:
        server.wait_until_ready()
        measure(Results(), Path(name), server, pairs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS)
