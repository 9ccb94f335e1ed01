"""The progress of a task: a bar on a terminal, or an occasional line in the log elsewhere."""

import io
import sys
from logging import getLogger
from typing import Any

from tqdm import tqdm

logger = getLogger(__name__)

# Shorter work shows no progress.
_BAR_AFTER_SECONDS = 1.0
_LINE_EVERY_SECONDS = 10.0


def showing_progress(description: str, total: int | None, unit: str) -> "tqdm[Any]":
    """Return a bar, to be closed, that shows how far work, named by a past participle, has come, and the time left."""
    tqdm.monitor_interval = 0  # It would start a thread.
    options: dict[str, Any] = {"delay": _BAR_AFTER_SECONDS}
    if not sys.stderr.isatty():
        end = " of {total_fmt}{unit} ({rate_fmt}), {remaining} left" if total is not None else "{unit} in {elapsed}"
        line = "{desc}: {n_fmt}" + end + "{postfix}"
        options = {"file": _Log(), "bar_format": line, **dict.fromkeys(["delay", "mininterval"], _LINE_EVERY_SECONDS)}
    # Each update looks at the clock: tqdm would foresee from the rate so far which one has to.
    options |= {"miniters": 1, "unit": f" {unit}", "unit_scale": unit == "rows", "leave": False, "disable": False}
    return tqdm(desc=description, total=total, **options)


class _Log(io.StringIO):
    """Writes to the log the text that a terminal would show."""

    def write(self, text: str) -> int:
        if line := text.strip():
            logger.info(line)
        return len(text)
