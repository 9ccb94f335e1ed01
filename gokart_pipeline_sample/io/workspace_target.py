"""Files of the workspace."""

from __future__ import annotations

import functools
import hashlib
from abc import abstractmethod
from logging import getLogger
from pathlib import Path
from typing import Any, Self

import luigi
from gokart.target import SingleFileTarget, TargetOnKart

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io.file_formats import FormatProcessor

logger = getLogger(__name__)

DIGEST_SUFFIX = ".sha256"


class WorkspaceTarget(TargetOnKart):
    """A file that counts as existing only if its content is what the pipeline wrote, and its companion exists, too."""

    _companion: WorkspaceTarget | None = None

    def with_companion(self, companion: WorkspaceTarget) -> Self:
        """Make this target exist only if the other one exists too, and return it."""
        self._companion = companion
        return self

    def find_missing(self) -> list[str]:
        """Return the paths of this file and its companion, if they are missing or damaged."""
        missing = [] if self._is_intact() else [self.path()]
        return missing + (self._companion.find_missing() if self._companion else [])

    def _exists(self) -> bool:
        return self._is_intact() and (self._companion is None or self._companion.exists())

    @abstractmethod
    def _is_intact(self) -> bool:
        """Return whether the content is what the pipeline wrote."""


class LocalWorkspaceTarget(WorkspaceTarget, SingleFileTarget):
    """A file of a workspace on this machine.

    A file ``<name>.sha256`` beside it has the SHA-256 of the content and the name of the file, in the format of
    ``sha256sum``. The name contains the unique id of the task, so a file copied from another run does not count, even
    together with its digest.

    Args:
        file: gokart's target of the file.
        processor: its format.
    """

    def __init__(self, file: SingleFileTarget, processor: FormatProcessor) -> None:
        SingleFileTarget.__init__(self, file._target, processor, file._task_lock_params)
        self._format = processor
        self._digest_target = luigi.LocalTarget(self.path() + DIGEST_SUFFIX, format=processor.format())

    def _is_intact(self) -> bool:
        # Reading a FIFO may block for ever.
        if not (Path(self.path()).is_file() and Path(self._digest_target.path).is_file()):
            return False
        return _read(self._digest_target) == self._describe(_digest(Path(self.path())))

    def _describe(self, digest: str) -> bytes:
        return f"{digest}  {Path(self.path()).name}\n".encode()

    def _load(self) -> Any:
        """Check the content and deserialize these very bytes."""
        content = _read(self._target)
        digest = self._describe(hashlib.sha256(content).hexdigest())
        if not Path(self._digest_target.path).is_file() or _read(self._digest_target) != digest:
            raise DamagedFileError(f"{self.path()} is not what the pipeline has written: run again, it is made again")
        return self._format.deserialize(content)

    def _dump(self, obj: Any, *_: object, **__: object) -> None:
        if self._target.exists() and not self._is_intact():
            logger.warning("%s is damaged: it is made again", self.path())
        content = self._format.serialize(obj)
        digest = self._describe(hashlib.sha256(content).hexdigest())
        # In this order: if the process is killed in between, the file does not count as existing.
        for target, data in ((self._target, content), (self._digest_target, digest)):
            with target.open("w") as file:
                file.write(data)

    def _remove(self) -> None:
        super()._remove()
        if self._digest_target.exists():
            self._digest_target.remove()


def _read(target: luigi.target.FileSystemTarget) -> bytes:
    with target.open("r") as file:
        content: bytes = file.read()
    return content


def _digest(path: Path) -> str:
    state = path.stat()
    return _digest_file(path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@functools.cache
def _digest_file(path: Path, *_state: int) -> str:
    """Return the digest of a file; luigi asks several times whether it exists, and its state tells a change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
