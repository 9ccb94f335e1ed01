"""The memory of this machine."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

# Container limits in cgroup v2 and v1: https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files
_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def get_memory() -> int:
    """Return the memory (bytes) that this process may use: that of the machine, or of its container."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for file in _LIMITS:
        with contextlib.suppress(OSError, ValueError):  # There is none, or it is "max".
            memory = min(memory, int(Path(file).read_text()))
    return memory
