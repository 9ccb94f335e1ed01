"""Results of a benchmark, with the machine and the versions that they were measured with."""

from __future__ import annotations

import json
import os
import platform
import statistics
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

PATH = Path(__file__).resolve().parents[1] / "docs" / "benchmark.json"
LIBRARIES = ("gokart", "lightgbm", "luigi", "pandas", "pandera", "pyarrow", "pylignum", "scikit-learn")


class Results:
    """Comparisons and figures; they are printed as they come."""

    def __init__(self) -> None:
        self.measured: dict[str, dict[str, Any]] = {}

    def compare(self, name: str, pairs: int, ours: Callable[[int], float], theirs: Callable[[int], float]) -> None:
        """Measure two commands in turn, after a pair that warms up, and keep the medians.

        Args:
            name: name of the comparison.
            pairs: number of pairs.
            ours: runs our command and returns its seconds.
            theirs: runs the other one.
        """
        self.add_pairs(name, [(ours(number), theirs(number)) for number in range(-1, pairs)][1:])

    def add_pairs(self, name: str, pairs: list[tuple[float, float]]) -> None:
        """Keep the medians of pairs of seconds: ours and theirs."""
        one, other = (statistics.median(seconds) for seconds in zip(*pairs, strict=True))
        ratio = statistics.median(mine / its for mine, its in pairs)
        self.add(name, ours=one, theirs=other, ratio=ratio, pairs=len(pairs))

    def add(self, name: str, **figures: Any) -> None:
        """Keep figures."""
        self.measured[name] = {
            key: round(value, 3) if isinstance(value, float) else value for key, value in figures.items()
        }
        print(f"{name:32}", *(f"{key} {value}" for key, value in self.measured[name].items()), sep="  ", flush=True)

    def save(self, kedro: str) -> None:
        """Write all that was measured to the JSON file, with the version of Kedro."""
        cpu = next(
            (line.partition(":")[2].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name")), ""
        )
        memory = next((int(line.split()[1]) // 2**20 for line in _read("/proc/meminfo") if "MemTotal" in line), 0)
        machine = {
            "system": f"{platform.system()} {platform.machine()}",
            "processor": cpu,
            "cores": os.cpu_count(),
            "memory": f"{memory} GiB",
            "Python": platform.python_version(),
        }
        versions = {**{name: version(name) for name in LIBRARIES}, "kedro": kedro}
        document = {"machine": machine, "versions": versions, "measured": self.measured}
        PATH.write_text(json.dumps(document, indent=2) + "\n")

    def renew(self) -> None:
        """Replace in the JSON file what was measured, and leave the rest of it."""
        document = json.loads(PATH.read_text())
        document["measured"] |= self.measured
        PATH.write_text(json.dumps(document, indent=2) + "\n")


def _read(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []
