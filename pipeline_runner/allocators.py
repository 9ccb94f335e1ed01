"""Allocators return freed memory to the system at once, instead of keeping what the largest moment of a run took."""

from __future__ import annotations

import ctypes
import os

# See mallopt(3): larger blocks are returned when they are freed. glibc would raise this size to that of the largest
# block that has been freed, up to 32 MiB.
_M_MMAP_THRESHOLD = -3
_RETURNED_BYTES = 1024 * 1024


def return_freed_memory() -> None:
    """Set the allocators of C and of Arrow, unless the environment does; call it before pyarrow is imported."""
    os.environ.setdefault("MIMALLOC_PURGE_DELAY", "0")
    # Other C libraries than glibc lack it.
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option and "MALLOC_MMAP_THRESHOLD_" not in os.environ:
        set_option(_M_MMAP_THRESHOLD, _RETURNED_BYTES)
