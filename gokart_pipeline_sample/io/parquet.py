"""Frames as Parquet."""

from __future__ import annotations

from io import BytesIO
from typing import IO, Any

import luigi.format
import pandas as pd
from gokart.file_processor import FileProcessor


class ParquetProcessor(FileProcessor):
    """Writes and reads a frame, its ``attrs`` included, as Parquet compressed with zstd, through memory only.

    gokart's own processor writes to a path, so a workspace on S3 would need a local disk.
    """

    def format(self) -> Any:
        """Return luigi's format for bytes."""
        return luigi.format.Nop

    def dump(self, obj: pd.DataFrame, file: IO[bytes]) -> None:
        """Write a frame without its index."""
        file.write(obj.to_parquet(index=False, compression="zstd"))

    def load(self, file: IO[bytes]) -> pd.DataFrame:
        """Read a frame; it gets a new index from 0."""
        return pd.read_parquet(BytesIO(file.read()))
