"""The standard streams: one that is closed or broken changes nothing of a run, and none of them shows a secret."""

from __future__ import annotations

import contextlib
import io
import locale
import os
import sys

from pipeline_runner.masking import mask


class GuardedStream(io.TextIOWrapper):
    """A stream that masks secrets, and drops what cannot be written."""

    def write(self, text: str) -> int:
        """Write a text, if that is possible."""
        with contextlib.suppress(OSError):
            super().write(mask(text))
        return len(text)

    def flush(self) -> None:
        """Flush the stream, if that is possible."""
        with contextlib.suppress(OSError):
            super().flush()


def guard_streams() -> None:
    """Guard stdout and stderr, and open standard streams that are closed, so that no file takes their place."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest free number.
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        # Python has no stream for a descriptor that was closed.
        buffer = stream.buffer if stream else os.fdopen(descriptor, "wb", closefd=False)
        is_read_live = name == "stderr" or buffer.isatty()
        setattr(sys, name, GuardedStream(buffer, "utf-8", "backslashreplace", line_buffering=is_read_live))


def require_utf8() -> None:
    """Start Python again in its UTF-8 mode if the locale has another encoding: our files are in UTF-8."""
    if not sys.flags.utf8_mode and locale.getencoding().lower() not in ("utf-8", "utf8"):
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
