"""Find values that occur more than once among more values than fit into memory."""

import contextlib
import functools
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.io.memory import open_memory_file

_PARTITIONS = 64  # Files, which are all open at the same time.
_hash = functools.partial(pd.util.hash_pandas_object, index=False)


def find_duplicates(read: Callable[[], Iterator[pd.Series]], *, in_memory: bool = False) -> pd.Series:
    """Return each value that occurs more than once, once.

    A hash of eight bytes per row goes to one of 64 files, in memory or in ``TMPDIR``, which are searched one at a time.
    ``read`` yields the values in chunks and without nulls; it is called twice, or once if no hash is repeated.
    """
    repeated = pd.Index(_find_repeated((_hash(values) for values in read()), in_memory))
    if repeated.empty:
        return pd.Series([])
    # Different values may have the same hash. Not isin, which would hash the repeated ones again on each call.
    parts = (values[repeated.get_indexer(pd.Index(_hash(values))) >= 0] for values in read())
    suspects: pd.Series = pd.concat(parts)
    return suspects.loc[suspects.duplicated()].drop_duplicates()


def get_bounds(values: pd.Series) -> list[Any] | None:
    """Return the first and the last value if each is greater than the one before; nothing if there are no values."""
    if values.empty:
        return []
    index = pd.Index(values)
    return [index[0], index[-1]] if index.is_monotonic_increasing and index.is_unique else None


def increase(pieces: Iterable[list[Any] | None]) -> bool:
    """Return whether values are strictly increasing, and thus unique, given the bounds of each piece of them."""
    known = list(pieces)
    return None not in known and all(one[1] < other[0] for one, other in itertools.pairwise(filter(None, known)))


def _find_repeated(pieces: Iterable[pd.Series], in_memory: bool) -> npt.NDArray[Any]:
    """Find the hashes that occur more than once; equal hashes are always in the same file."""
    edges = np.arange(1, _PARTITIONS, dtype=np.uint64) * (2**64 // _PARTITIONS)
    open_file: Callable[[], IO[bytes]] = open_memory_file if in_memory else tempfile.TemporaryFile
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open_file()) for _ in range(_PARTITIONS)]
        for hashes in pieces:
            ordered = np.sort(hashes.to_numpy())
            for file, part in zip(files, np.split(ordered, np.searchsorted(ordered, edges)), strict=True):
                part.tofile(file)
        repeated = []
        for file in files:
            file.seek(0)
            ordered = np.sort(np.fromfile(file, dtype=np.uint64))
            repeated.append(np.unique(ordered[1:][ordered[1:] == ordered[:-1]]))
        return np.concatenate(repeated)
