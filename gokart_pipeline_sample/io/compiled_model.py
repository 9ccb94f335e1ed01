"""LightGBM models that predict the same bits several times as fast: interpreted, or compiled to machine code.

pylignum (Apache-2.0, https://misterekkk.github.io/lignum/) walks the trees, or translates them to C, of which the
system's C compiler makes a library. Libraries are kept, because compiling takes seconds.
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

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gokart_pipeline_sample.errors import CompilationError
from gokart_pipeline_sample.io.lightgbm_model import Booster, count_leaves, number_categories
from gokart_pipeline_sample.io.memory import open_memory_file

_KEPT_LIBRARIES = 8
_COMPILE_SECONDS = 600
_COMPILER = Path(__file__).with_name("compile_trees.py")
# All rows of a chunk go through the trees of a block, whose code is to stay in the processor's cache, before the next.
_LEAVES_PER_BLOCK = 500


class FastModel:
    """A model that pylignum interprets, or whose library it calls.

    Args:
        booster: the model.
        threads: number of threads that predict.
        folder: where libraries are kept, made if it is missing; None to interpret the model.

    Raises:
        CompilationError: pylignum or a C compiler is missing, the model has what pylignum does not know, or the folder
            is not one of this user alone.
    """

    def __init__(self, booster: Booster, threads: int, folder: Path | None = None) -> None:
        self._booster, self._threads = booster, threads
        text = booster.model_to_string().encode()
        try:
            import lignum

            with open_memory_file() as file:
                file.write(text)
                self._trees = lignum.load(f"/dev/fd/{file.fileno()}")
            if folder:
                origin = f"{lignum.__version__} {platform.system()} {platform.machine()} ".encode()
                key = hashlib.sha256(origin + text).hexdigest()
                _make_private(folder)
                self._trees.load_compiled(str(_find_library(folder, key) or _make_library(text, folder, key)))
                _forget_old(folder)
        except ImportError as error:
            raise CompilationError('pylignum is not installed: install the extra "fast"') from error
        except (OSError, RuntimeError, ValueError) as error:
            raise CompilationError(f"{type(error).__name__}: {error}") from error

    def predict(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return what ``Booster.predict`` returns, to the last bit: the probability of each class, row by row."""
        # Columns are not copied, unlike by from_pandas, which looks for missing values.
        numbers = number_categories(self._booster, features).items()
        columns = [pa.array(column.to_numpy(), from_pandas=False) for _, column in numbers]
        batch = pa.record_batch(columns, names=[str(place) for place in range(len(columns))])
        values: npt.NDArray[np.float64] = self._trees.predict(batch, n_jobs=self._threads)
        return values


def get_default_folder(*, in_memory: bool) -> Path:
    """Return the folder for libraries: in this user's cache, or in memory, where no file may be written."""
    if in_memory:
        return Path(f"/dev/shm/gokart_pipeline_sample-{os.geteuid()}")  # noqa: S108 - checked to be private
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - it is tried later
    return Path(cache) / "gokart_pipeline_sample"


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


def _make_library(text: bytes, folder: Path, key: str) -> Path:
    leaves = count_leaves(text.decode())
    trees_per_block = max(1, _LEAVES_PER_BLOCK * len(leaves) // sum(leaves))
    with tempfile.TemporaryDirectory(prefix="compiling-", dir=folder) as name, tempfile.TemporaryFile(dir=name) as log:
        model, made = Path(name) / "model.txt", Path(name) / "model.so"
        model.write_bytes(text)
        command = [sys.executable, "-P", str(_COMPILER), str(model), str(made), name, str(trees_per_block)]
        environment = {**os.environ, "TMPDIR": name, "PYTHONDONTWRITEBYTECODE": "1"}
        with subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True
        ) as child:
            try:
                exit_code = child.wait(_COMPILE_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise RuntimeError(f"compiling takes more than {_COMPILE_SECONDS} s") from error
        if exit_code:
            log.seek(0)
            raise RuntimeError((log.read().decode().splitlines() or [f"the compiler ended with {exit_code}"])[-1])
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
