"""LightGBM models that predict the same bits several times as fast: interpreted, or compiled to machine code.

pylignum (Apache-2.0, https://misterekkk.github.io/lignum/) walks the trees, or translates them to C, of which the
system's C compiler makes a library. Libraries are kept, because compiling takes seconds. LightGBM watches it.
"""

import hashlib
import os
import random
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from gokart_pipeline_sample.errors import PredictionError
from gokart_pipeline_sample.io.lightgbm_model import Booster, count_leaves, number_categories, predict_raw
from gokart_pipeline_sample.io.memory import open_memory_file

logger = getLogger(__name__)

ENGINES = ("auto", "lightgbm", "interpreted", "compiled")
# So many rows are predicted by LightGBM, too: the first ones of all, and a sample of each later chunk.
FIRST_ROWS = 20_000
SAMPLE_ROWS = 250
_KEPT_LIBRARIES = 8
_COMPILE_SECONDS = 600
_COMPILER = Path(__file__).with_name("compile_trees.py")


def choose_engines(engine: str, model: Booster, rows: int) -> list[str]:
    """Return the engines for so many rows, each to be tried if that before it fails: for "auto", the fastest first."""
    if engine != "auto":
        return [engine, "lightgbm"]
    if not find_spec("lignum"):
        return ["lightgbm"]
    leaves = count_leaves(model.model_to_string())
    # Compiled trees save 2 ns for a row and a tree; the C compiler takes 0.5 s for its start, and 0.5 ms for a leaf.
    pays = rows * len(leaves) * 2e-9 > 0.5 + sum(leaves) * 5e-4
    return ["compiled", "interpreted", "lightgbm"] if pays and shutil.which("cc") else ["interpreted", "lightgbm"]


class FastModel:
    """A model that pylignum interprets, or whose library it calls, which is kept in the folder, if one is given.

    Raises an ImportError, OSError, RuntimeError or ValueError if pylignum or a C compiler is missing, if pylignum does
    not know this kind of model, or if the folder is not one of this user alone.
    """

    def __init__(self, booster: Booster, threads: int, folder: Path | None = None) -> None:
        if not find_spec("lignum"):
            raise ImportError('pylignum is not installed: install the extra "fast"')
        import lignum

        self._booster, self._threads, text = booster, threads, booster.model_to_string().encode()
        with open_memory_file() as file:
            file.write(text)
            self._trees = lignum.load(f"/dev/fd/{file.fileno()}")
        if folder:
            origin = f"{lignum.__version__} {sysconfig.get_platform()} ".encode()
            self._trees.load_compiled(_get_library(text, folder, hashlib.sha256(origin + text).hexdigest()))

    def predict(self, features: pd.DataFrame) -> npt.NDArray[np.float64]:
        """Return what ``Booster.predict`` returns, to the last bit: the probability of each class, row by row."""
        columns = {str(name): each.to_numpy() for name, each in number_categories(self._booster, features).items()}
        return np.asarray(self._trees.predict(pa.record_batch(columns), n_jobs=self._threads))


class Engine:
    """Predicts rows, with so many threads a chunk; a copy in another process loads or compiles the model there."""

    def __init__(
        self, model: Booster, engines: Sequence[str] = ("lightgbm",), folder: Path = Path(), threads: int = 1
    ) -> None:
        self.model, self._engines, self._folder, self.threads = model, [*engines], folder, threads
        self._lock, self._is_first = threading.Lock(), True
        self._fast: FastModel | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return Engine, (self.model, self._engines, self._folder, self.threads)

    def predict(self, features: pd.DataFrame, seed: str) -> npt.NDArray[np.float64]:
        """Return the probability of each class, row by row; raise a PredictionError if LightGBM gives other bits.

        The seed chooses which rows LightGBM predicts as well.
        """
        with self._lock:
            is_first = self._is_first and not features.empty
            if is_first:
                self._load()
        if features.empty or not self._fast:
            return predict_raw(self.model, features, self.threads)
        predicted, number = self._fast.predict(features), len(features)
        rows = random.Random(seed).sample(range(number), min(SAMPLE_ROWS, number))  # noqa: S311
        if is_first:
            rows = [*range(min(FIRST_ROWS, number))]
        expected = predict_raw(self.model, features.iloc[rows], self.threads)
        if predicted[rows].tobytes() != expected.tobytes():
            raise PredictionError(f"the {self._engines[0]} model does not predict what LightGBM predicts")
        return predicted

    def _load(self) -> None:
        """Load or compile the model for the first engine, or drop that one and take the next."""
        self._is_first = False
        while not self._fast and (engine := self._engines[0]) != "lightgbm":
            try:
                self._fast = FastModel(self.model, self.threads, self._folder if engine == "compiled" else None)
            except (ImportError, OSError, RuntimeError, ValueError) as error:
                self._engines.pop(0)
                who = "LightGBM" if self._engines[0] == "lightgbm" else "pylignum's interpreter"
                logger.warning("%s predicts, the model cannot be %s: %s", who, engine, error)


def get_default_folder(*, in_memory: bool) -> Path:
    """Return the folder for libraries: in this user's cache, or in memory, where no file may be written."""
    if in_memory:
        return Path(f"/dev/shm/gokart_pipeline_sample-{os.geteuid()}")  # noqa: S108 - checked to be private
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")  # noqa: PTH111 - it is tried later
    return Path(cache) / "gokart_pipeline_sample"


def _get_library(text: bytes, folder: Path, key: str) -> Path:
    """Return the library of a model; it is made unless there is one whose content fits its name."""
    if not folder.is_absolute():
        raise FileNotFoundError("this user has no home folder: set XDG_CACHE_HOME")
    folder.mkdir(0o700, parents=True, exist_ok=True)
    _require_own(folder, stat.S_IFDIR)
    for path in folder.glob(f"{key}-*.so"):
        _require_own(path, stat.S_IFREG)
        if path.stem == f"{key}-{hashlib.sha256(path.read_bytes()).hexdigest()}":
            path.touch()
            return path
        path.unlink()
    library = _make_library(text, folder, key)
    for old in sorted(folder.iterdir(), key=lambda path: path.lstat().st_mtime)[:-_KEPT_LIBRARIES]:
        if old.is_dir():  # A run that was killed has left it.
            shutil.rmtree(old, ignore_errors=True)
        else:
            old.unlink(missing_ok=True)
    return library


def _require_own(path: Path, kind: int) -> None:
    status = path.lstat()
    if stat.S_IFMT(status.st_mode) != kind or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        raise PermissionError(f"{path}: others may have put it there: remove it")


def _make_library(text: bytes, folder: Path, key: str) -> Path:
    leaves = count_leaves(text.decode())
    # All rows go through the trees of a block, whose code is to stay in the processor's cache, before the next block.
    trees_per_block = max(1, 500 * len(leaves) // sum(leaves))
    with tempfile.TemporaryDirectory(prefix="compiling-", dir=folder) as name, tempfile.TemporaryFile(dir=name) as log:
        Path(name, "model.txt").write_bytes(text)
        command = [sys.executable, "-BP", str(_COMPILER), name, str(trees_per_block)]
        own: dict[str, Any] = {"env": {**os.environ, "TMPDIR": name}, "umask": 0o077, "start_new_session": True}
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log, **own) as child:
            try:
                exit_code = child.wait(_COMPILE_SECONDS)
            except subprocess.TimeoutExpired as error:
                raise RuntimeError(f"compiling takes more than {_COMPILE_SECONDS} s") from error
        if exit_code:
            log.seek(0)
            raise RuntimeError((log.read().decode().splitlines() or [f"the compiler ended with {exit_code}"])[-1])
        made = Path(name, "model.so")
        return made.rename(folder / f"{key}-{hashlib.sha256(made.read_bytes()).hexdigest()}.so")
