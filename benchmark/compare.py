"""Measure the overhead of the pipeline over plain scripts: whole processes, alternating, on a real S3 server.

python benchmark/compare.py [PAIRS]     (make bench)
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pipeline_runner import embedded_s3

PROJECT = Path(__file__).resolve().parents[1]
PAIRS = {"cold": 9, "up to date": 15, "plan": 9, "report": 9, "embedded S3": 9, "workspace on S3": 9}
KEY = "--gokart-pipeline-sample.UploadS3Task-key"


def compare(name: str, pairs: int, ours: Callable[[int], float], theirs: Callable[[int], float]) -> None:
    """Measure two commands alternately; print the medians of their times, pairwise ratios and pairwise differences."""
    measured = [(ours(number), theirs(number)) for number in range(-1, pairs)][1:]  # The first pair warms up.
    one, other = (statistics.median(seconds) for seconds in zip(*measured, strict=True))
    ratio = statistics.median(mine / its for mine, its in measured)
    difference = statistics.median(mine - its for mine, its in measured)
    print(f"{name:48} {one:6.2f} s {other:6.2f} s   ratio {ratio:4.2f}   difference {difference:5.2f} s", flush=True)


def main(pairs: dict[str, int]) -> None:
    """Measure cold runs, runs that are up to date, plans, reports, and cold runs that start their own S3."""
    with tempfile.TemporaryDirectory() as directory, embedded_s3.running(Path(directory) / "s3") as server:
        server.wait_until_ready()
        alone = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "BUCKET_NAME"))}
        environment = {**alone, **server.environment()}
        configuration = (PROJECT / "conf" / "param.ini").read_text()
        without_report = configuration.replace("write=true", "write=false")

        def run(*command: str, environment: dict[str, str] = environment) -> float:
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True)
            return time.perf_counter() - started

        def pipeline(
            workspace: str,
            *arguments: str,
            environment: dict[str, str] = environment,
            settings: str = without_report,
        ) -> float:
            ini = Path(directory) / f"{workspace}.ini"
            ini.write_text(settings.replace("./resources", str(Path(directory) / workspace)))
            return run(str(PROJECT / "main.py"), *arguments, environment={**environment, "LUIGI_CONFIG_PATH": str(ini)})

        def cold(number: int) -> float:
            return pipeline(f"cold{number}", KEY, f"cold{number}")

        def plain(number: int) -> float:
            return run(str(PROJECT / "benchmark" / "plain.py"), f"plain{number}")

        def up_to_date(_: int) -> float:
            return pipeline("up_to_date", KEY, "up_to_date")

        def head(_: int) -> float:
            return run(str(PROJECT / "benchmark" / "head.py"), "up_to_date")

        def plan(_: int) -> float:
            return pipeline("up_to_date", "--plan", KEY, "up_to_date")

        def reported(number: int) -> float:
            return pipeline(f"reported{number}", KEY, f"reported{number}/output.csv", settings=configuration)

        def unreported(number: int) -> float:
            return pipeline(f"unreported{number}", KEY, f"unreported{number}/output.csv")

        def on_s3(number: int) -> float:
            uri = f"s3://{embedded_s3.BUCKET}/workspaces/{number}"
            settings = without_report.replace("./resources", uri)
            return pipeline(f"on_s3{number}", KEY, f"on_s3{number}", settings=settings)

        def in_folder(number: int) -> float:
            return pipeline(f"in_folder{number}", KEY, f"in_folder{number}")

        def embedded(number: int) -> float:
            return pipeline(f"embedded{number}", environment=alone)

        def running(number: int) -> float:
            return pipeline(f"running{number}", KEY, f"running{number}")

        compare("cold run / plain script", pairs["cold"], cold, plain)
        compare("run that is up to date / imports and one HEAD", pairs["up to date"], up_to_date, head)
        compare("plan / run, both up to date", pairs["plan"], plan, up_to_date)
        compare("cold run: with a report / without", pairs["report"], reported, unreported)
        compare("cold run: workspace on S3 / in a folder", pairs["workspace on S3"], on_s3, in_folder)
        compare("cold run: embedded S3 / S3 that runs already", pairs["embedded S3"], embedded, running)


if __name__ == "__main__":
    main({name: int(sys.argv[1]) if len(sys.argv) > 1 else count for name, count in PAIRS.items()})
