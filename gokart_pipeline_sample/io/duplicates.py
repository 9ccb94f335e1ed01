"""Find values that occur more than once among more values than fit into memory."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.io.memory import open_memory_file

# The number of files, which are all open at the same time.
_PARTITIONS = 64

Hashes = npt.NDArray[np.uint64]


def find_duplicates(read: Callable[[], Iterator[pd.Series[Any]]], *, in_memory: bool = False) -> pd.Series[Any]:
    """Find the values that occur more than once.

    If the values are strictly increasing, there are none, and one pass over them is enough. Otherwise a hash of eight
    bytes per row goes to one of 64 temporary files (``TMPDIR``), which are then searched in memory, one at a time.

    Args:
        read: starts to read the values, in chunks and without nulls; called up to three times.
        in_memory: whether these files are in memory, because none may be written.

    Returns:
        Each duplicated value once.
    """
    if _increase(read()):
        return pd.Series([])
    repeated = pd.Index(_find_repeated((_hash(values) for values in read()), in_memory))
    # Different values may have the same hash.
    suspects: pd.Series[Any] = pd.concat(
        [values.iloc[np.flatnonzero(_are_in(repeated, _hash(values)))] for values in read()]
    )
    return suspects.loc[suspects.duplicated()].drop_duplicates()


def _increase(pieces: Iterator[pd.Series[Any]]) -> bool:
    last = None
    for values in pieces:
        if values.empty:
            continue
        if not (values.is_monotonic_increasing and values.is_unique) or (last is not None and values.iloc[0] <= last):
            return False
        last = values.iloc[-1]
    return True


def _hash(values: pd.Series[Any]) -> Hashes:
    return np.asarray(pd.util.hash_pandas_object(values, index=False), dtype=np.uint64)


def _are_in(repeated: pd.Index[Any], hashes: Hashes) -> npt.NDArray[np.bool_]:
    # Not isin, which would sort or hash the repeated values again on each call.
    return repeated.get_indexer(pd.Index(hashes)) >= 0


def _open_temporary_file() -> IO[bytes]:
    return tempfile.TemporaryFile(buffering=0)


def _find_repeated(pieces: Iterable[Hashes], in_memory: bool) -> Hashes:
    """Find the hashes that occur more than once; equal hashes are always in the same file."""
    width = 2**64 // _PARTITIONS
    edges = np.array([width * number for number in range(1, _PARTITIONS)], dtype=np.uint64)
    open_file: Callable[[], IO[bytes]] = open_memory_file if in_memory else _open_temporary_file
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open_file()) for _ in range(_PARTITIONS)]
        for hashes in pieces:
            ordered = np.sort(hashes)
            for file, part in zip(files, np.split(ordered, np.searchsorted(ordered, edges)), strict=True):
                part.tofile(file)
        repeated = []
        for file in files:
            file.seek(0)
            ordered = np.sort(np.fromfile(file, dtype=np.uint64))
            repeated.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
        return np.concatenate(repeated)
