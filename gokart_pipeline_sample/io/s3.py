"""Objects on S3."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator
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
        self._is_put = False

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
        if self._is_put:
            return True  # S3 has confirmed it, and is strongly consistent.
        with self._asking("look at it") as client:
            try:
                self._metadata = client.head_object(Bucket=self._bucket, Key=self._key)["Metadata"]
            except client.exceptions.ClientError as error:
                if _status(error) != 404:
                    raise
                self._metadata = {}
                # S3 says so of a missing bucket too, and only a missing object is good news.
                client.head_bucket(Bucket=self._bucket)
        return self._metadata.get(_UNIQUE_ID) == self._unique_id

    def _dump(self, obj: pd.DataFrame, *_: object, **__: object) -> None:
        metadata = {
            **{str(name): str(value) for name, value in obj.attrs.items()},
            "rows": str(len(obj)),
            _UNIQUE_ID: self._unique_id,
        }
        with self._asking("put it") as client:
            client.put_object(
                Bucket=self._bucket,
                Key=self._key,
                Body=obj.to_csv(index=False, lineterminator="\n").encode(),
                ContentType="text/csv; charset=utf-8",
                ChecksumAlgorithm="SHA256",
                Metadata=metadata,
                **self._encryption,
            )
        self._metadata, self._is_put = metadata, True
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

    @contextlib.contextmanager
    def _asking(self, action: str) -> Iterator[S3Client]:
        """Give a client, and turn what goes wrong into an S3Error."""
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield _client()
        except ClientError as error:
            advice = {
                400: "check the credentials: they may be expired",
                403: "check the credentials, and that they grant s3:GetObject, s3:PutObject and s3:ListBucket",
                404: "create the bucket, or correct BUCKET_NAME",
            }.get(_status(error), "try again, or ask who runs the server")
            raise S3Error(f"{self.path()}: S3 refuses to {action}: {advice} ({error})") from error
        except BotoCoreError as error:
            advice = "check the network, AWS_ENDPOINT_URL and the credentials"
            raise S3Error(f"{self.path()}: S3 cannot be asked to {action}: {advice} ({error})") from error


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


def _client() -> S3Client:
    # A forked worker must not talk over the connections of its parent.
    return _client_of_process(os.getpid())


@functools.cache
def _client_of_process(_process_id: int) -> S3Client:
    import boto3
    from botocore.config import Config

    # Three attempts and the pauses between them end within 30 s, whatever the server does not do.
    config = Config(connect_timeout=5, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 3})
    return boto3.client("s3", config=config)
