"""A process that draws charts: it gets ready while the tasks of a run use the other core."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from importlib.util import find_spec
from types import TracebackType

from pipeline_runner.watch.report import charts
from pipeline_runner.watch.report.charts import NO_FILES, Chart


class ChartProcess:
    """Draws charts like :func:`charts.draw_charts`; the process ends with the context, or with this process.

    Args:
        keeps_files: whether matplotlib may keep a list of fonts for the next process.
    """

    def __init__(self, *, keeps_files: bool) -> None:
        self._options = [] if keeps_files else [NO_FILES]
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> ChartProcess:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process and self._process.poll() is None:
            # With the copies of it that are drawing; its pipes are closed, and it is waited for.
            with self._process:
                os.killpg(self._process.pid, signal.SIGKILL)

    def start(self) -> None:
        """Start the process unless it has been started."""
        if self._process is None and find_spec("matplotlib"):
            # A session of its own, because a terminal would interrupt it, too.
            self._process = subprocess.Popen(
                [sys.executable, "-P", charts.__file__, *self._options],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )

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
