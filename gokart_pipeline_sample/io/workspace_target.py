"""Files of the workspace."""

from __future__ import annotations

import functools
import hashlib
from logging import getLogger
from pathlib import Path, PurePosixPath
from typing import Any

import luigi
import luigi.format
from gokart.target import SingleFileTarget

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io.file_formats import FormatProcessor

logger = getLogger(__name__)

DIGEST_SUFFIX = ".sha256"


class WorkspaceTarget(SingleFileTarget):
    """A file that counts as existing only if its content is what the pipeline wrote.

    A file ``<name>.sha256`` beside it has the SHA-256 of the content and the name of the file, in the format of
    ``sha256sum``. The name contains the unique id of the task, so a file copied from another run does not count, even
    together with its digest.

    Args:
        file: gokart's target of the file.
        processor: its format.
    """

    def __init__(self, file: SingleFileTarget, processor: FormatProcessor) -> None:
        super().__init__(file._target, processor, file._task_lock_params)
        self._format = processor
        make: Any = type(file._target)  # A local file, or an object on S3.
        self._digest_target: luigi.target.FileSystemTarget = make(self.path() + DIGEST_SUFFIX, format=luigi.format.Nop)
        self._companion: WorkspaceTarget | None = None

    def with_companion(self, companion: WorkspaceTarget) -> WorkspaceTarget:
        """Make this target exist only if the other one exists too, and return it."""
        self._companion = companion
        return self

    def find_missing(self) -> list[str]:
        """Return the paths of this file and its companion, if they are missing or damaged."""
        missing = [] if self._is_intact() else [self.path()]
        return missing + (self._companion.find_missing() if self._companion else [])

    def _exists(self) -> bool:
        return not self.find_missing()

    def _is_intact(self) -> bool:
        if not (_is_readable(self._target) and _is_readable(self._digest_target)):
            return False
        return _read(self._digest_target) == self._describe(_digest(self._target))

    def _describe(self, digest: str) -> bytes:
        return f"{digest}  {PurePosixPath(self.path()).name}\n".encode()

    def _load(self) -> Any:
        """Check the content and deserialize these very bytes."""
        content = _read(self._target)
        digest = self._describe(hashlib.sha256(content).hexdigest())
        if not _is_readable(self._digest_target) or _read(self._digest_target) != digest:
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


def _is_readable(target: luigi.target.FileSystemTarget) -> bool:
    """Return whether a target is an object or a regular file; reading a FIFO may block for ever."""
    return bool(target.exists()) if "://" in target.path else Path(target.path).is_file()


def _read(target: luigi.target.FileSystemTarget) -> bytes:
    with target.open("r") as file:
        content: bytes = file.read()
    return content


def _digest(target: luigi.target.FileSystemTarget) -> str:
    if "://" in target.path:
        return hashlib.sha256(_read(target)).hexdigest()
    state = Path(target.path).stat()
    return _digest_file(target.path, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)


@functools.cache
def _digest_file(path: str, *_state: int) -> str:
    """Return the digest of a file; luigi asks several times whether it exists, and its state tells a change."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
