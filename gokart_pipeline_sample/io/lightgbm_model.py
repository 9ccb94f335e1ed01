"""The file format of LightGBM models."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gokart_pipeline_sample.io.file_formats import FormatProcessor

if TYPE_CHECKING:
    from lightgbm import Booster as Booster
else:
    # pandera evaluates annotations when a function is called, and lightgbm takes a second to import.
    Booster = Any


class LightGBMModelProcessor(FormatProcessor):
    """A booster in LightGBM's text format, which ``lightgbm.Booster(model_file=...)`` also reads."""

    content_type = "text/plain; charset=utf-8"

    def serialize(self, obj: Booster) -> bytes:
        """Return the text of the trees up to the best iteration."""
        return obj.model_to_string().encode()

    def deserialize(self, content: bytes) -> Booster:
        """Return the booster."""
        import lightgbm

        return lightgbm.Booster(model_str=content.decode())
