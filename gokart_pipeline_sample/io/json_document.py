"""Figures as JSON."""

from __future__ import annotations

import json
from typing import IO, Any

import luigi.format
from gokart.file_processor import FileProcessor


class JsonProcessor(FileProcessor):
    """Writes and reads what JSON can say, as it is; gokart's own processor knows frames only."""

    def format(self) -> Any:
        """Return luigi's format for bytes."""
        return luigi.format.Nop

    def dump(self, obj: Any, file: IO[bytes]) -> None:
        """Write an object; NaN and infinity, which JSON does not know, are refused with a ValueError."""
        file.write(json.dumps(obj, indent=2, allow_nan=False).encode())

    def load(self, file: IO[bytes]) -> Any:
        """Read an object."""
        return json.loads(file.read())
