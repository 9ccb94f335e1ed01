"""The engine that predicts the rows of a batch: LightGBM, or the compiled model, which is watched by LightGBM."""

from __future__ import annotations

import random
import threading
from logging import getLogger
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.errors import CompilationError, PredictionError
from gokart_pipeline_sample.io.compiled_model import CompiledModel, compile_model
from gokart_pipeline_sample.io.lightgbm_model import Booster, count_leaves, predict_probabilities

logger = getLogger(__name__)

ENGINES = ("auto", "lightgbm", "compiled")
# So many rows are predicted by both: the first ones of all, and a sample of each later chunk.
FIRST_ROWS = 20_000
SAMPLE_ROWS = 250
# On two cores, LightGBM takes so many seconds for a row and a tree, and the C compiler for its start and for a leaf.
_PREDICT_SECONDS = 8e-9
_COMPILE_SECONDS = (0.5, 5e-4)


class Engine:
    """Predicts rows, in any number of threads; a copy in another process compiles the model there.

    Args:
        model: the model.
        folder: where compiled models are kept; without one, LightGBM predicts.
        threads: number of threads that predict a chunk.
    """

    def __init__(self, model: Booster, folder: Path | None = None, threads: int = 1) -> None:
        self.model = model
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._compiled: CompiledModel | None = None
        self._is_compared = False

    def __reduce__(self) -> tuple[type[Engine], tuple[Booster, Path | None, int]]:
        """Make copies in other processes from the arguments."""
        return Engine, (self.model, self._folder, self._threads)

    def predict(self, features: pd.DataFrame, seed: str) -> npt.NDArray[np.float64]:
        """Return the probability of each class, row by row.

        LightGBM predicts the first rows as well, and a sample of those of each later chunk.

        Args:
            features: the features of a chunk of rows.
            seed: chooses the sample.

        Raises:
            PredictionError: the compiled model predicts anything else than LightGBM, be it by one bit.
        """
        compiled, is_first = (None, False) if features.empty else self._prepare()
        if compiled is None:
            return predict_probabilities(self.model, features)
        values = compiled.predict(features)
        rows = np.arange(min(FIRST_ROWS, len(features)))
        if not is_first:
            number = min(SAMPLE_ROWS, len(features))
            rows = np.sort(random.Random(seed).sample(range(len(features)), number))  # noqa: S311
        if values[rows].tobytes() != predict_probabilities(self.model, features.iloc[rows]).tobytes():
            raise PredictionError("the compiled model does not predict what LightGBM predicts")
        return values

    def _prepare(self) -> tuple[CompiledModel | None, bool]:
        """Return the compiled model, if there is to be one, and whether it has not predicted anything yet."""
        with self._lock:
            if self._folder and not self._compiled:
                try:
                    self._compiled = compile_model(self.model, self._folder, self._threads)
                except CompilationError as error:
                    logger.warning("LightGBM predicts, the model cannot be compiled: %s", error)
                    self._folder = None
            is_first, self._is_compared = not self._is_compared, True
            return self._compiled, is_first


def is_worth_compiling(model: Booster, rows: int) -> bool:
    """Return whether compiling the model takes less time than LightGBM's prediction of so many rows.

    Args:
        model: the model.
        rows: number of rows to predict.
    """
    leaves = count_leaves(model.model_to_string())
    start, leaf = _COMPILE_SECONDS
    return rows * len(leaves) * _PREDICT_SECONDS > start + sum(leaves) * leaf
