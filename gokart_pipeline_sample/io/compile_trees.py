"""Compile the trees of a model: python compile_trees.py MODEL LIBRARY FOLDER TREES_PER_BLOCK.

A program of its own, with a process group that it ends when its stdin is closed: the compilers end with the run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading


def main(model: str, library: str, folder: str, trees_per_block: str) -> None:
    """Write the library, and all other files to the folder."""
    import lignum

    threading.Thread(target=_end_with_run, daemon=True).start()
    lignum.load(model).compile(library=library, work_dir=folder, block_trees=int(trees_per_block))


def _end_with_run() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    main(*sys.argv[1:])
