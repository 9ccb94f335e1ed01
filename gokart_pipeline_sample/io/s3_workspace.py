"""Files of a workspace on S3."""

from __future__ import annotations

from logging import getLogger
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from gokart_pipeline_sample.io.file_formats import FormatProcessor
from gokart_pipeline_sample.io.s3 import Encryption, find_metadata, s3_client, split_uri
from gokart_pipeline_sample.io.s3_target import S3Target

logger = getLogger(__name__)

# A process keeps what it has put, up to this size (bytes), for the tasks that follow.
_SMALL = 1024 * 1024


class S3WorkspaceTarget(S3Target):
    """An object that counts as existing only if its content is what the pipeline put there.

    Its name, which contains the unique id of the task, and its SHA-256 are in its metadata, so an object copied from
    another run does not count. It is written and read in memory.
    """

    if_missing = "create the bucket, or correct workspace_directory"

    def __init__(self, uri: str, processor: FormatProcessor, encryption: Encryption) -> None:
        bucket, key = split_uri(uri)
        super().__init__(bucket, key, identify(key), encryption)
        self.processor = processor
        self._is_damaged = False
        self._content: bytes | None = None

    def _exists(self) -> bool:
        if self._is_put:
            return True  # S3 has confirmed it, and is strongly consistent.
        metadata = find_metadata(self._bucket, self._key, self.if_missing)
        self._is_damaged = metadata is not None and not self._is_ours(metadata)
        return self._is_ours(metadata or {})

    def _load(self) -> Any:
        return super()._load() if self._content is None else self.processor.deserialize(self._content)

    def _dump(self, obj: Any, *_: object, **__: object) -> None:
        if self._is_damaged:
            logger.warning("%s is damaged: it is made again", self.path())
        content = self._put(obj, {})
        self._content = content if len(content) <= _SMALL else None

    def _remove(self) -> None:
        with s3_client(self.path(), "delete it", self.if_missing) as client:
            client.delete_object(Bucket=self._bucket, Key=self._key)
        self._is_put, self._content = False, None


def identify(key: str) -> str:
    """Return what the metadata of an object of the workspace says of its owner: its name, in ASCII as S3 requires."""
    return quote(PurePosixPath(key).name)
