"""The outputs of tasks: files of a workspace on this machine, and objects on S3."""

import functools
import hashlib
from datetime import datetime
from logging import getLogger
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import luigi
import pandas as pd
from gokart.conflict_prevention_lock.task_lock import TaskLockParams, make_task_lock_params
from gokart.target import TargetOnKart

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io import s3
from gokart_pipeline_sample.io.file_formats import CsvProcessor, FormatProcessor

logger = getLogger(__name__)

DIGEST_SUFFIX = ".sha256"
UNIQUE_ID = "task-unique-id"
_SMALL = 1024 * 1024  # Bytes of an object that a process has put into the workspace, and keeps for the next tasks.


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
        if not self._file.is_file():  # Reading a FIFO may block for ever.
            return False
        state = self._file.stat()
        digest = _hash(self._file, state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
        return self._digest_file.is_file() and self._digest_file.read_bytes() == self._describe(digest)

    def _describe(self, digest: str) -> bytes:
        return f"{digest}  {self._file.name}\n".encode()

    def _load(self) -> Any:
        content = self._file.read_bytes() if self._file.is_file() else b""
        if not self._exists():  # After the file was read: its state tells whether the content is what was hashed.
            raise DamagedFileError(f"{self.path()} is not what the pipeline has written: run again, it is made again")
        return self._processor.deserialize(content)

    def _dump(self, obj: Any, *_: object, **__: object) -> None:
        if self._file.exists() and not self._exists():
            logger.warning("%s is damaged: it is made again", self.path())
        content = self._processor.serialize(obj)
        # In this order: if the process is killed in between, the file does not count as existing.
        digest = self._describe(hashlib.sha256(content).hexdigest())
        for path, data in ((self._file, content), (self._digest_file, digest)):
            try:
                with luigi.LocalTarget(path, format=luigi.format.Nop).open("w") as file:
                    file.write(data)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error

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


class S3Target(TargetOnKart):
    """An object that exists only if its metadata has the unique id of the task; one of others is put again."""

    processor: FormatProcessor
    if_missing = s3.IF_MISSING

    def __init__(self, bucket: str, key: str, unique_id: str, encryption: s3.Encryption) -> None:
        self._bucket, self.key = bucket, key
        self._unique_id, self._encryption = unique_id, encryption
        self._metadata: dict[str, str] = {}
        self._is_put = self._is_damaged = False

    def _path(self) -> str:
        return f"s3://{self._bucket}/{self.key}"

    def _exists(self) -> bool:
        if not self._is_put:  # S3 has confirmed what was put, and is strongly consistent.
            found = s3.find_metadata(self._bucket, self.key, self.if_missing)
            self._metadata = found or {}
            self._is_damaged = found is not None and not self._is_ours(found)
        return self._is_ours(self._metadata)

    def _is_ours(self, metadata: dict[str, str]) -> bool:
        return metadata.get(UNIQUE_ID) == self._unique_id

    def _put(self, obj: Any, metadata: dict[str, str]) -> bytes:
        """Put the object, and return its content."""
        content, metadata = self.processor.serialize(obj), {**metadata, UNIQUE_ID: self._unique_id}
        s3.put_object(self._bucket, self.key, content, self.processor.content_type, metadata, self._encryption)
        self._metadata, self._is_put = metadata, True
        return content

    def put_beside(self, name: str, content: bytes, content_type: str) -> None:
        """Put another object into the folder of this one, with the same encryption."""
        folder = self.key.rpartition("/")[0]
        s3.put_object(self._bucket, f"{folder}/{name}" if folder else name, content, content_type, {}, self._encryption)

    def _load(self) -> Any:
        content, metadata = s3.get_object(self._bucket, self.key, self.if_missing)
        if not self._is_ours(metadata) or metadata.get(s3.SHA256) != hashlib.sha256(content).hexdigest():
            raise DamagedFileError(f"{self.path()} is not what this task has put: run again, it is put again")
        return self.processor.deserialize(content)

    def _remove(self) -> None:
        """Do nothing: gokart's rerun would remove the object, but readers need it until a put replaces it."""

    def _last_modification_time(self) -> datetime:
        with s3.s3_client(self.path(), "look at it") as client:
            modified = client.head_object(Bucket=self._bucket, Key=self.key)["LastModified"]
        return modified.astimezone().replace(tzinfo=None)  # gokart compares it with naive local times.

    def _get_task_lock_params(self) -> TaskLockParams:
        return make_task_lock_params(file_path=self.path(), unique_id=None)


class S3CsvTarget(S3Target):
    """A frame as a CSV object."""

    processor: FormatProcessor = CsvProcessor()

    def own_metadata(self) -> dict[str, str]:
        """Return the metadata of the object; nothing if it is gone."""
        return self._metadata if self._is_ours(self._metadata) or self._exists() else {}

    def _dump(self, obj: pd.DataFrame, *_: object, **__: object) -> None:
        self._put(obj, {**{str(name): str(value) for name, value in obj.attrs.items()}, "rows": str(len(obj))})
        logger.info("put %d rows to %s", len(obj), self.path())


class S3WorkspaceTarget(S3Target):
    """An object that exists only if its content is what the pipeline put there, without a local file.

    Its metadata has its SHA-256, and its name with the unique id of the task: a copy from another run does not count.
    """

    if_missing = "create the bucket, or correct workspace_directory"

    def __init__(self, uri: str, processor: FormatProcessor, encryption: s3.Encryption) -> None:
        bucket, key = s3.split_uri(uri)
        super().__init__(bucket, key, identify(key), encryption)
        self.processor = processor
        self._content: bytes | None = None

    def _load(self) -> Any:
        return super()._load() if self._content is None else self.processor.deserialize(self._content)

    def _dump(self, obj: Any, *_: object, **__: object) -> None:
        if self._is_damaged:
            logger.warning("%s is damaged: it is made again", self.path())
        content = self._put(obj, {})
        self._content = content if len(content) <= _SMALL else None

    def _remove(self) -> None:
        with s3.s3_client(self.path(), "delete it", self.if_missing) as client:
            client.delete_object(Bucket=self._bucket, Key=self.key)
        self._is_put, self._content = False, None


def identify(key: str) -> str:
    """Return what the metadata of an object of the workspace says of its owner: its name, in ASCII as S3 requires."""
    return quote(PurePosixPath(key).name)
