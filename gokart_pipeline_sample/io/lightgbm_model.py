"""LightGBM models as LightGBM's own text format."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import luigi.format
from gokart.file_processor import FileProcessor

if TYPE_CHECKING:
    from lightgbm import Booster as Booster
else:
    # pandera looks at annotations when a function is called, and lightgbm takes a second to import.
    Booster = Any


class LightGBMModelProcessor(FileProcessor):
    """Writes and reads a booster as the text that ``lightgbm.Booster(model_file=...)`` reads too."""

    def format(self) -> Any:
        """Return luigi's format for bytes."""
        return luigi.format.Nop

    def dump(self, obj: Booster, file: IO[bytes]) -> None:
        """Write the trees up to the best iteration."""
        file.write(obj.model_to_string().encode())

    def load(self, file: IO[bytes]) -> Booster:
        """Read a booster."""
        import lightgbm

        return lightgbm.Booster(model_str=file.read().decode())
