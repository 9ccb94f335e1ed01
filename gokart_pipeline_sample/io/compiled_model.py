"""LightGBM models compiled to machine code, which predict the same bits several times as fast.

pylignum (Apache-2.0, https://misterekkk.github.io/lignum/) translates trees to C, of which the system's C compiler
makes a library. Libraries are kept, because compiling takes seconds.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gokart_pipeline_sample.errors import CompilationError
from gokart_pipeline_sample.io.lightgbm_model import Booster, count_leaves, number_categories

_KEPT_LIBRARIES = 8
_COMPILE_SECONDS = 600
# A process group of its own, which ends with all compilers when the run ends or is killed: the pipe is closed then.
_COMPILE = """
import lignum, os, sys, threading
def end():
    os.read(0, 1)
    os.killpg(0, 9)
threading.Thread(target=end, daemon=True).start()
model, library, folder, trees = sys.argv[1:]
lignum.load(model).compile(library=library, work_dir=folder, block_trees=int(trees))
"""
# All rows of a chunk go through the trees of a block, whose code is to stay in the processor's cache, before the next.
_LEAVES_PER_BLOCK = 500


class CompiledModel:
    """A compiled model.

    Args:
        trees: pylignum's model, with its library.
        booster: the same model, which knows its categories.
        threads: number of threads that predict.
    """

    def __init__(self, trees: Any, booster: Booster, threads: int) -> None:
        self._trees = trees
        self._booster = booster
        self._threads = threads

    def predict(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return what ``Booster.predict`` returns, to the last bit: the probability of each class, row by row."""
        numbers = number_categories(self._booster, features)
        # Columns are not copied, unlike by from_pandas, which looks for missing values.
        columns = [pa.array(column.to_numpy(), from_pandas=False) for _, column in numbers.items()]
        batch = pa.record_batch(columns, names=[str(place) for place in range(len(columns))])
        values: npt.NDArray[np.float64] = self._trees.predict(batch, n_jobs=self._threads)
        return values


def get_default_folder(*, in_memory: bool) -> Path:
    """Return the folder for libraries: in this user's cache, or in memory, where no file may be written."""
    if in_memory:
        return Path("/dev/shm") / f"gokart_pipeline_sample-{os.geteuid()}"  # noqa: S108 - checked to be private
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - it is tried later
    return Path(cache) / "gokart_pipeline_sample"


def compile_model(booster: Booster, folder: Path, threads: int) -> CompiledModel:
    """Compile a model, or load the library that was made of it before.

    Args:
        booster: the model.
        folder: where libraries are kept; made if it is missing.
        threads: number of threads that will predict.

    Raises:
        CompilationError: pylignum or a C compiler is missing, the model has what pylignum does not know, or the folder
            is not one of this user alone.
    """
    try:
        import lignum
    except ImportError as error:
        raise CompilationError('pylignum is not installed: install the extra "fast"') from error
    text = booster.model_to_string().encode()
    origin = f"{lignum.__version__} {platform.system()} {platform.machine()} ".encode()
    key = hashlib.sha256(origin + text).hexdigest()
    try:
        _make_private(folder)
        with tempfile.TemporaryDirectory(prefix="compiling-", dir=folder) as name:
            model = Path(name) / "model.txt"
            model.write_bytes(text)
            trees = lignum.load(str(model))
            library = _find_library(folder, key) or _make_library(model, folder, key)
            trees.load_compiled(str(library))
        _forget_old(folder)
    except (OSError, RuntimeError, ValueError) as error:
        raise CompilationError(f"{type(error).__name__}: {error}") from error
    return CompiledModel(trees, booster, threads)


def _make_private(folder: Path) -> None:
    """Make a folder; raise a PermissionError if it exists and others may write to it."""
    if not folder.is_absolute():
        raise FileNotFoundError("this user has no home folder: set XDG_CACHE_HOME")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    _require_own(folder.lstat(), stat.S_IFDIR, folder)


def _require_own(status: os.stat_result, kind: int, path: Path) -> None:
    if stat.S_IFMT(status.st_mode) != kind or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"{path}: others may have put it there: remove it")


def _find_library(folder: Path, key: str) -> Path | None:
    """Return the library of a model if there is one; a library whose content does not fit its name is removed."""
    for path in folder.glob(f"{key}-*.so"):
        _require_own(path.lstat(), stat.S_IFREG, path)
        if path.name == _name_library(key, path.read_bytes()):
            os.utime(path)
            return path
        path.unlink()
    return None


def _name_library(key: str, content: bytes) -> str:
    return f"{key}-{hashlib.sha256(content).hexdigest()}.so"


def _make_library(model: Path, folder: Path, key: str) -> Path:
    """Compile the model in a file."""
    made = model.with_suffix(".so")
    leaves = count_leaves(model.read_text())
    trees_per_block = max(1, _LEAVES_PER_BLOCK * len(leaves) // sum(leaves))
    command = [sys.executable, "-P", "-c", _COMPILE, str(model), str(made), str(model.parent), str(trees_per_block)]
    environment = {**os.environ, "TMPDIR": str(model.parent), "PYTHONDONTWRITEBYTECODE": "1"}
    log = model.with_suffix(".log")
    with (
        log.open("w") as output,
        subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=output, stderr=output, start_new_session=True
        ) as child,
    ):
        try:
            exit_code = child.wait(_COMPILE_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise RuntimeError(f"compiling takes more than {_COMPILE_SECONDS} s") from error
    if exit_code:
        raise RuntimeError((log.read_text().splitlines() or [f"the compiler ended with {exit_code}"])[-1])
    made.chmod(0o700)
    return made.rename(folder / _name_library(key, made.read_bytes()))


def _forget_old(folder: Path) -> None:
    """Remove all but the libraries that were used last, and what runs that were killed have left."""
    libraries = sorted(folder.glob("*.so"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in libraries[_KEPT_LIBRARIES:]:
        path.unlink(missing_ok=True)
    for path in folder.glob("compiling-*"):
        if time.time() - path.stat().st_mtime > 2 * _COMPILE_SECONDS:
            shutil.rmtree(path, ignore_errors=True)
