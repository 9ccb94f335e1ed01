"""Files of the workspace."""

from __future__ import annotations

from logging import getLogger
from pathlib import Path
from typing import Any

from gokart.target import SingleFileTarget

from gokart_pipeline_sample.io.file_formats import FormatProcessor

logger = getLogger(__name__)


class WorkspaceTarget(SingleFileTarget):
    """A file that exists only if it is whole.

    Args:
        file: the file, as gokart makes its target.
    """

    def __init__(self, file: SingleFileTarget) -> None:
        super().__init__(file._target, file._processor, file._task_lock_params)
        self._companion: WorkspaceTarget | None = None

    def with_companion(self, companion: WorkspaceTarget) -> WorkspaceTarget:
        """Return this target; from now on it exists only if the other one exists too."""
        self._companion = companion
        return self

    def find_missing(self) -> list[str]:
        """Return the paths of this file and its companion, of those that are not there or not whole."""
        missing = [] if self._target.exists() and self._is_whole() else [self.path()]
        return missing + (self._companion.find_missing() if self._companion else [])

    def _exists(self) -> bool:
        return not self.find_missing()

    def _is_whole(self) -> bool:
        # S3 puts whole objects only.
        if "://" in self.path() or not isinstance(self._processor, FormatProcessor):
            return True
        return self._processor.is_whole(Path(self.path()).read_bytes())

    def _dump(self, obj: Any, *args: Any, **kwargs: Any) -> None:
        if self._target.exists() and not self._is_whole():
            logger.warning("%s is damaged: it is made again", self.path())
        super()._dump(obj, *args, **kwargs)
