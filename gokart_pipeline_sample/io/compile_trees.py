"""Compile model.txt in a folder to model.so: python compile_trees.py FOLDER TREES_PER_BLOCK.

A process group of its own ends when its stdin is closed: the compilers end with the run.
"""

import os
import signal
import sys
import threading


def _end_with_run() -> None:
    os.read(0, 1)
    os.killpg(0, signal.SIGKILL)


if __name__ == "__main__":
    import lignum

    threading.Thread(target=_end_with_run, daemon=True).start()
    os.chdir(sys.argv[1])
    lignum.load("model.txt").compile(library="./model.so", work_dir=".", block_trees=int(sys.argv[2]))
