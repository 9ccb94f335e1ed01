"""Files of the workspace."""

from __future__ import annotations

import functools
import hashlib
from datetime import datetime
from logging import getLogger
from pathlib import Path
from typing import Any

import luigi
from gokart.conflict_prevention_lock.task_lock import TaskLockParams
from gokart.target import TargetOnKart

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io.file_formats import FormatProcessor

logger = getLogger(__name__)

DIGEST_SUFFIX = ".sha256"


class LocalWorkspaceTarget(TargetOnKart):
    """A file of a workspace on this machine, which exists only if its content is what the pipeline wrote.

    A file ``<name>.sha256`` beside it has the SHA-256 of the content and the name of the file, in the format of
    ``sha256sum``. The name contains the unique id of the task, so a file copied from another run does not count, even
    together with its digest. gokart holds the lock, on Redis, while the file is read or written, if one is configured.
    """

    def __init__(self, path: str, processor: FormatProcessor, lock: TaskLockParams) -> None:
        self._file, self._digest_file = Path(path), Path(path + DIGEST_SUFFIX)
        self._processor, self._lock = processor, lock

    def _path(self) -> str:
        return str(self._file)

    def _exists(self) -> bool:
        # Reading a FIFO may block for ever.
        if not self._file.is_file():
            return False
        state = self._file.stat()
        digest = _hash(self._file, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        return self._is_described_by(digest)

    def _describe(self, digest: str) -> bytes:
        return f"{digest}  {self._file.name}\n".encode()

    def _is_described_by(self, digest: str) -> bool:
        return self._digest_file.is_file() and self._digest_file.read_bytes() == self._describe(digest)

    def _load(self) -> Any:
        content = self._file.read_bytes()
        if not self._is_described_by(hashlib.sha256(content).hexdigest()):
            raise DamagedFileError(f"{self.path()} is not what the pipeline has written: run again, it is made again")
        return self._processor.deserialize(content)

    def _dump(self, obj: Any, *_: object, **__: object) -> None:
        if self._file.exists() and not self._exists():
            logger.warning("%s is damaged: it is made again", self.path())
        content = self._processor.serialize(obj)
        # In this order: if the process is killed in between, the file does not count as existing.
        digest = self._describe(hashlib.sha256(content).hexdigest())
        for path, data in ((self._file, content), (self._digest_file, digest)):
            with luigi.LocalTarget(path, format=luigi.format.Nop).open("w") as file:
                file.write(data)

    def _remove(self) -> None:
        self._file.unlink()
        self._digest_file.unlink(missing_ok=True)

    def _last_modification_time(self) -> datetime:
        return datetime.fromtimestamp(self._file.stat().st_mtime)  # gokart compares naive local times.

    def _get_task_lock_params(self) -> TaskLockParams:
        return self._lock


@functools.cache
def _hash(path: Path, *_state: int) -> str:
    """Return the SHA-256 of a file; luigi asks several times whether it exists, and its state tells a change."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
