"""Measure what tasks cost that do nothing: those of this project, or bare ones of gokart.

python benchmark/task_graphs.py ours|bare chain N       prints the seconds to build a chain of N tasks, and run it
python benchmark/task_graphs.py ours|bare diamond N     prints the seconds to make N layers of two tasks, both of which
                                                        require the two of the layer before
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
from typing import Any

import gokart
import luigi

from gokart_pipeline_sample.utils.template import GokartTask

BASES: dict[str, Any] = {"ours": GokartTask, "bare": gokart.TaskOnKart}


def make_class(base: Any) -> Any:
    """Return the class of the tasks, with the given base."""

    class EmptyTask(base):
        number = luigi.IntParameter()
        needed = gokart.ListTaskInstanceParameter(default=[])

        def requires(self) -> list[Any]:
            return list(self.needed)

        def output(self) -> Any:
            return self.make_target("EmptyTask.json" if base is GokartTask else "EmptyTask.pkl")

        def run(self) -> None:
            self.dump({"number": self.number})

    return EmptyTask


def measure(base: Any, shape: str, size: int, workspace: str) -> float:
    """Return the seconds that a graph takes."""
    task_class = make_class(base)

    def make(number: int, *needed: Any) -> Any:
        return task_class(number=number, needed=list(needed), workspace_directory=workspace)

    # The code of a class and its parameters are read once.
    make(-2, make(-1)).make_unique_id()
    started = time.perf_counter()
    if shape == "chain":
        task = make(0)
        for number in range(1, size):
            task = make(number, task)
        gokart.build(task, log_level=logging.CRITICAL, return_value=False)
    else:
        one, other = make(0), make(1)
        for layer in range(1, size):
            one, other = make(2 * layer, one, other), make(2 * layer + 1, one, other)
        make(2 * size, one, other)
    return time.perf_counter() - started


if __name__ == "__main__":
    # The ids of a chain are computed recursively, four calls a task.
    sys.setrecursionlimit(10_000)
    kind, shape, size = sys.argv[1:]
    with tempfile.TemporaryDirectory() as workspace:
        print(measure(BASES[kind], shape, int(size), workspace))
