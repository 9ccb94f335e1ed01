from __future__ import annotations

import os
import subprocess
import sys

import pytest

# A block that is freed first raises glibc's threshold, and objects above the others keep its heap from shrinking.
MEASURE = """
import sys
from pathlib import Path
from pipeline_runner.allocators import return_freed_memory

def measure():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 2**20

def allocate(allocator):
    if allocator == "glibc":
        import numpy as np
        bytes(np.ones(30 * 2**20, np.uint8)[:1])
        blocks = [np.ones(2 * 2**20, np.uint8) for _ in range(50)]
        return blocks, [bytes(2000) for _ in range(1000)]
    import pyarrow as pa
    blocks = [pa.array([1], pa.int64()).take(pa.array([0] * 2**18)) for _ in range(50)]
    return blocks, None

if sys.argv[2] == "returned":
    return_freed_memory()
import numpy, pyarrow
before = measure()
blocks, top = allocate(sys.argv[1])
used = measure()
del blocks
print(used - before, measure() - before)
"""


def measure(allocator: str, setting: str, **variables: str) -> tuple[float, float]:
    """Return the MiB that a process has taken with a hundred MiB in use, and when they are freed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "MIMALLOC_"))}
    output = subprocess.run(
        [sys.executable, "-c", MEASURE, allocator, setting],
        env={**environment, **variables},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    used, kept = map(float, output.split())
    return used, kept


@pytest.mark.skipif(sys.platform != "linux", reason="it is about glibc")
class TestReturnFreedMemory:
    @pytest.mark.parametrize("allocator", ["glibc", "Arrow"])
    def test_freed_memory_goes_back_to_the_system(self, allocator: str) -> None:
        used, kept = measure(allocator, "returned")

        assert used > 90
        assert kept < used / 2
        assert measure(allocator, "kept")[1] > 90

    def test_the_environment_decides_if_it_does(self) -> None:
        assert measure("glibc", "returned", MALLOC_MMAP_THRESHOLD_=str(32 * 2**20))[1] > 90
