"""The memory of this machine, and files in it."""

import contextlib
import fcntl
import os
import tempfile
from pathlib import Path
from typing import IO


def get_memory() -> int:
    """Return the memory (bytes) that this process may use: that of the machine, or of its container."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    # In cgroup v2 and v1: https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
    for file in ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"):
        with contextlib.suppress(OSError, ValueError):  # There is none, or it is "max".
            memory = min(memory, int(Path(file).read_text()))
    return memory


def open_memory_file() -> IO[bytes]:
    """Open a file without a name that is written at its end and read; macOS has none in memory, only on its disk."""
    if not hasattr(os, "memfd_create"):
        return tempfile.TemporaryFile("a+b", buffering=0)
    descriptor = os.memfd_create("gokart_pipeline_sample")
    fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_APPEND)  # Processes that share the file share its position, too.
    return os.fdopen(descriptor, "a+b", buffering=0)
