"""A process that draws charts: it imports matplotlib, which takes a second, while the tasks of a run use a core."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from importlib.util import find_spec

from pipeline_runner.watch.report import charts
from pipeline_runner.watch.report.charts import NO_FILES, Chart


class ChartProcess(contextlib.ExitStack):
    """Draws charts like :func:`charts.draw_charts`; the process ends with the context, or with this process.

    Args:
        keeps_files: whether matplotlib may keep a list of fonts for the next process.
    """

    def __init__(self, *, keeps_files: bool) -> None:
        super().__init__()
        self._options = [] if keeps_files else [NO_FILES]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process unless it has been started."""
        if self._process is None and find_spec("matplotlib"):
            command, pipe = [sys.executable, "-P", charts.__file__, *self._options], subprocess.PIPE
            self._process = self.enter_context(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe))
            self.callback(self._process.kill)

    def draw(self, listed: dict[str, Chart]) -> dict[str, str]:
        """Draw charts, once.

        Raises:
            ImportError: the extra ``report`` is not installed.
            RuntimeError: a chart cannot be drawn; the message is the last line of the error.
        """
        self.start()
        if self._process is None:
            raise ImportError("No module named 'matplotlib'")
        output, errors = self._process.communicate(json.dumps(listed).encode())
        if self._process.returncode:
            last_line = errors.decode().strip().rpartition("\n")[2]
            raise RuntimeError(last_line or f"the process that draws charts ended with {self._process.returncode}")
        drawn: dict[str, str] = json.loads(output)
        return drawn
