"""Files that were cut off, by a full disk for instance: they are there, but cannot be read."""

from __future__ import annotations

import json
import os
from pathlib import Path

# A Parquet file begins and ends with it: https://parquet.apache.org/docs/file-format/
_PARQUET_MAGIC = b"PAR1"
_LAST_LINE_OF_MODEL = b"\npandas_categorical:"


def is_damaged(path: str) -> bool:
    """Return whether a file is there, but its end is missing.

    Args:
        path: a Parquet file, a JSON file or the text of a LightGBM model; a URL is taken for whole.
    """
    return "://" not in path and Path(path).exists() and not _has_its_end(Path(path))


def _has_its_end(path: Path) -> bool:
    if path.suffix == ".parquet":
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(_PARQUET_MAGIC)))
            return size > 2 * len(_PARQUET_MAGIC) and file.read() == _PARQUET_MAGIC
    content = path.read_bytes()
    if path.suffix == ".txt":
        return _LAST_LINE_OF_MODEL in content and content.endswith(b"\n")
    try:
        json.loads(content)
    except ValueError:
        return False
    return True
