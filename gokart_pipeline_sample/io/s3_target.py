"""Objects on S3 as the outputs of tasks."""

from __future__ import annotations

import hashlib
from datetime import datetime
from logging import getLogger
from typing import Any

import pandas as pd
from gokart.conflict_prevention_lock.task_lock import TaskLockParams, make_task_lock_params
from gokart.target import TargetOnKart

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io.file_formats import CsvProcessor, FormatProcessor
from gokart_pipeline_sample.io.s3 import (
    IF_MISSING,
    SHA256,
    Encryption,
    get_object,
    put_object,
    read_metadata,
    s3_client,
)

logger = getLogger(__name__)

UNIQUE_ID = "task-unique-id"


class S3Target(TargetOnKart):
    """An object that exists only if the task with this unique id has put it.

    An object that was deleted, or replaced by another task or person, counts as missing and is put again.

    Args:
        bucket: name of the bucket.
        key: key of the object.
        unique_id: unique id of the task that puts the object; kept in the object's metadata.
    """

    processor: FormatProcessor
    if_missing = IF_MISSING

    def __init__(self, bucket: str, key: str, unique_id: str, encryption: Encryption) -> None:
        self._bucket = bucket
        self._key = key
        self._unique_id = unique_id
        self._encryption = encryption
        self._metadata: dict[str, str] = {}
        self._is_put = False

    def _path(self) -> str:
        return f"s3://{self._bucket}/{self._key}"

    def _exists(self) -> bool:
        if self._is_put:
            return True  # S3 has confirmed it, and is strongly consistent.
        self._metadata = read_metadata(self._bucket, self._key)
        return self._is_ours(self._metadata)

    def _is_ours(self, metadata: dict[str, str]) -> bool:
        return metadata.get(UNIQUE_ID) == self._unique_id

    def _put(self, obj: Any, metadata: dict[str, str]) -> bytes:
        """Put the object, and return its content."""
        content, metadata = self.processor.serialize(obj), {**metadata, UNIQUE_ID: self._unique_id}
        put_object(self._bucket, self._key, content, self.processor.content_type, metadata, self._encryption)
        self._metadata, self._is_put = metadata, True
        return content

    def put_beside(self, name: str, content: bytes, content_type: str) -> None:
        """Put another object into the folder of this one, with the same encryption."""
        folder = self._key.rpartition("/")[0]
        put_object(self._bucket, f"{folder}/{name}" if folder else name, content, content_type, {}, self._encryption)

    def _load(self) -> Any:
        content, metadata = get_object(self._bucket, self._key, self.if_missing)
        if not self._is_ours(metadata) or metadata.get(SHA256) != hashlib.sha256(content).hexdigest():
            raise DamagedFileError(f"{self.path()} is not what this task has put: run again, it is put again")
        return self.processor.deserialize(content)

    def _remove(self) -> None:
        """Do nothing: gokart's rerun would remove the object, but readers need it until a put replaces it."""

    def _last_modification_time(self) -> datetime:
        with s3_client(self.path(), "look at it") as client:
            modified = client.head_object(Bucket=self._bucket, Key=self._key)["LastModified"]
        return modified.astimezone().replace(tzinfo=None)  # gokart compares it with naive local times.

    def _get_task_lock_params(self) -> TaskLockParams:
        return make_task_lock_params(file_path=self.path(), unique_id=None)


class S3CsvTarget(S3Target):
    """A frame as a CSV object."""

    processor = CsvProcessor()

    def own_metadata(self) -> dict[str, str]:
        """Return the metadata of the object; nothing if it is gone."""
        return self._metadata if self._is_ours(self._metadata) or self._exists() else {}

    def _dump(self, obj: pd.DataFrame, *_: object, **__: object) -> None:
        self._put(obj, {**{str(name): str(value) for name, value in obj.attrs.items()}, "rows": str(len(obj))})
        logger.info("put %d rows to %s", len(obj), self.path())
