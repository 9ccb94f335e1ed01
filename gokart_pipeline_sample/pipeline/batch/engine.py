"""The engine that predicts the rows of a batch: LightGBM, or pylignum, which is watched by LightGBM."""

from __future__ import annotations

import random
import shutil
import threading
from importlib.util import find_spec
from logging import getLogger
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.errors import CompilationError, PredictionError
from gokart_pipeline_sample.io.compiled_model import FastModel
from gokart_pipeline_sample.io.lightgbm_model import Booster, count_leaves, predict_probabilities

logger = getLogger(__name__)

ENGINES = ("auto", "lightgbm", "interpreted", "compiled")
# So many rows are predicted by LightGBM, too: the first ones of all, and a sample of each later chunk.
FIRST_ROWS = 20_000
SAMPLE_ROWS = 250
# Compiled trees save so many seconds for a row and a tree; the C compiler takes these for its start and for a leaf.
_SAVED_SECONDS = 2e-9
_COMPILE_SECONDS = (0.5, 5e-4)


def choose_engine(engine: str, model: Booster, rows: int) -> str:
    """Return the engine that predicts so many rows: for "auto", the fastest that is there."""
    if engine != "auto":
        return engine
    if not find_spec("lignum"):
        return "lightgbm"
    leaves = count_leaves(model.model_to_string())
    start, leaf = _COMPILE_SECONDS
    is_worth_compiling = rows * len(leaves) * _SAVED_SECONDS > start + sum(leaves) * leaf
    return "compiled" if is_worth_compiling and shutil.which("cc") else "interpreted"


class Engine:
    """Predicts rows, with so many threads a chunk; a copy in another process loads or compiles the model there."""

    def __init__(self, model: Booster, engine: str = "lightgbm", folder: Path = Path(), threads: int = 1) -> None:
        self.model = model
        self._engine, self._folder, self._threads = engine, folder, threads
        self._lock = threading.Lock()
        self._fast: FastModel | None = None
        self._is_compared = False

    def __reduce__(self) -> tuple[type[Engine], tuple[Booster, str, Path, int]]:
        return Engine, (self.model, self._engine, self._folder, self._threads)

    def predict(self, features: pd.DataFrame, seed: str) -> npt.NDArray[np.float64]:
        """Return the probability of each class, row by row; the seed chooses which rows LightGBM predicts as well.

        Raises:
            PredictionError: the model predicts other bits than LightGBM.
        """
        fast, is_first = (None, False) if features.empty else self._prepare()
        if fast is None:
            return predict_probabilities(self.model, features)
        values = fast.predict(features)
        rows = np.arange(min(FIRST_ROWS, len(features)))
        if not is_first:
            number = min(SAMPLE_ROWS, len(features))
            rows = np.sort(random.Random(seed).sample(range(len(features)), number))  # noqa: S311
        if values[rows].tobytes() != predict_probabilities(self.model, features.iloc[rows]).tobytes():
            raise PredictionError(f"the {self._engine} model does not predict what LightGBM predicts")
        return values

    def _prepare(self) -> tuple[FastModel | None, bool]:
        with self._lock:
            if self._engine != "lightgbm" and not self._fast:
                folder = self._folder if self._engine == "compiled" else None
                try:
                    self._fast = FastModel(self.model, self._threads, folder)
                except CompilationError as error:
                    logger.warning("LightGBM predicts, the model cannot be %s: %s", self._engine, error)
                    self._engine = "lightgbm"
            is_first, self._is_compared = not self._is_compared, True
            return self._fast, is_first
