"""Objects on S3."""

from __future__ import annotations

import functools
import os
from datetime import datetime
from io import BytesIO
from logging import getLogger
from typing import TYPE_CHECKING, Any

import pandas as pd
from gokart.conflict_prevention_lock.task_lock import TaskLockParams, make_task_lock_params
from gokart.target import TargetOnKart

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client

logger = getLogger(__name__)

_UNIQUE_ID = "task-unique-id"


class S3Error(Exception):
    """S3 refused a request; the message says what to do."""


class S3CsvTarget(TargetOnKart):
    """A frame as a CSV object that exists only if the task with this unique id has put it.

    A deleted object, or one that another task or person has put, does not count: then the frame is put again.

    Args:
        bucket: name of the bucket.
        key: key of the object.
        unique_id: unique id of the task that puts the object; kept in the object's metadata.
        encryption: ``ServerSideEncryption`` and ``SSEKMSKeyId`` of S3's PutObject, as far as they are wanted.
    """

    def __init__(self, bucket: str, key: str, unique_id: str, encryption: dict[str, str]) -> None:
        self._bucket = bucket
        self._key = key
        self._unique_id = unique_id
        self._encryption: dict[str, Any] = {**encryption}
        self._metadata: dict[str, str] = {}

    def describe(self) -> dict[str, str]:
        """Return the metadata of the object, ``rows`` and the ``attrs`` of the frame, as text; nothing if it is gone.

        Raises:
            S3Error: the object cannot be looked at.
        """
        known = self._metadata.get(_UNIQUE_ID) == self._unique_id
        return self._metadata if known or self._exists() else {}

    def _path(self) -> str:
        return f"s3://{self._bucket}/{self._key}"

    def _exists(self) -> bool:
        client = _client()
        try:
            self._metadata = client.head_object(Bucket=self._bucket, Key=self._key)["Metadata"]
        except client.exceptions.ClientError as error:
            if _status(error) != 404:
                raise S3Error(self._advice("look at", error)) from error
            self._metadata = {}
            self._check_bucket()
        return self._metadata.get(_UNIQUE_ID) == self._unique_id

    def _check_bucket(self) -> None:
        """Tell a missing bucket from a missing object: S3 answers 404 for both, and only the second is good news."""
        client = _client()
        try:
            client.head_bucket(Bucket=self._bucket)
        except client.exceptions.ClientError as error:
            raise S3Error(self._advice("find the bucket of", error)) from error

    def _dump(self, obj: pd.DataFrame, *_: object, **__: object) -> None:
        client = _client()
        metadata = {
            **{str(name): str(value) for name, value in obj.attrs.items()},
            "rows": str(len(obj)),
            _UNIQUE_ID: self._unique_id,
        }
        try:
            client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=obj.to_csv(index=False, lineterminator="\n").encode(),
                ContentType="text/csv; charset=utf-8",
                ChecksumAlgorithm="SHA256",
                Metadata=metadata,
                **self._encryption,
            )
        except client.exceptions.ClientError as error:
            raise S3Error(self._advice("put", error)) from error
        self._metadata = metadata
        logger.info("put %d rows to %s", len(obj), self.path())

    def _load(self) -> pd.DataFrame:
        return pd.read_csv(BytesIO(_client().get_object(Bucket=self._bucket, Key=self._key)["Body"].read()))

    def _remove(self) -> None:
        """Leave the object to its readers until a put replaces it: gokart's rerun would remove it first."""

    def _last_modification_time(self) -> datetime:
        modified = _client().head_object(Bucket=self._bucket, Key=self._key)["LastModified"]
        return modified.astimezone().replace(tzinfo=None)  # gokart compares it with local times without a zone.

    def _get_task_lock_params(self) -> TaskLockParams:
        return make_task_lock_params(file_path=self.path(), unique_id=None)

    def _advice(self, action: str, error: ClientError) -> str:
        advice = {
            403: "check the credentials and that they grant s3:GetObject, s3:PutObject and s3:ListBucket",
            404: "create the bucket, or correct BUCKET_NAME",
        }.get(_status(error), "see S3's answer")
        return f"cannot {action} {self.path()} ({error}): {advice}"


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _client() -> S3Client:
    # A forked worker must not talk over the connections of its parent.
    return _client_of_process(os.getpid())


@functools.cache
def _client_of_process(_process_id: int) -> S3Client:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=5, read_timeout=60, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("s3", config=config)
