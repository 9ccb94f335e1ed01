"""The standard streams: a closed or broken one does not affect the run, and none of them shows a secret."""

import contextlib
import io
import locale
import os
import sys

from pipeline_runner.masking import mask


class _GuardedStream(io.TextIOWrapper):
    """A stream that masks secrets, and drops what cannot be written."""

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            super().write(mask(text))
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            super().flush()


def prepare_streams() -> None:
    """Guard stdout and stderr, and open closed standard streams, so that no other file gets their descriptors.

    If the locale has another encoding than UTF-8, Python is restarted in UTF-8 mode: our files are in UTF-8.
    """
    if not sys.flags.utf8_mode and locale.getencoding().lower() not in ("utf-8", "utf8"):
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])  # noqa: S606
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # It gets the lowest free number.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        # Python has no stream for a descriptor that was closed.
        buffer = stream.buffer if stream else os.fdopen(descriptor, "wb", closefd=False)
        is_read_live = name == "stderr" or buffer.isatty()
        setattr(sys, name, _GuardedStream(buffer, "utf-8", "backslashreplace", line_buffering=is_read_live))
