"""A lease on S3: of several processes that are about to do the same, one does it at a time."""

from __future__ import annotations

import os
import secrets
import socket
import threading
import time
from email.utils import parsedate_to_datetime
from logging import getLogger
from typing import Any, NamedTuple, Self

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io.file_formats import JsonProcessor
from gokart_pipeline_sample.io.s3 import get_status, list_objects, put_object, s3_client, split_uri

logger = getLogger(__name__)

# The folder of the leases in a workspace.
LEASES = "leases"

# Of this process and its workers.
_RUN = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(8)}"
_LONGEST_PAUSE, _LOG_SECONDS = 2.0, 30.0


class _State(NamedTuple):
    """The content of a lease on S3: its ETag, its metadata, and for how many seconds nobody has renewed it."""

    etag: str
    metadata: dict[str, str]
    age: float


class Lease:
    """A context that one process at a time is in; the others wait for it, or take over when its holder has died.

    S3 lets one of several conditional puts win, and its own clock tells whether the holder renews the lease. A holder
    that is paused, or cut off from S3, for longer than ``seconds`` goes on beside the one that took over: what both of
    them write must be the same, and whole.

    Args:
        uri: URI of the object that is the lease.
        seconds: how long the others wait for a holder that has died; a holder renews the lease three times as often.
        encryption: the arguments of S3's PutObject that request encryption.
    """

    def __init__(self, uri: str, seconds: int, encryption: dict[str, Any]) -> None:
        self._uri = uri
        self._bucket, self._key = split_uri(uri)
        self._seconds = seconds
        self._encryption = encryption
        self._token = secrets.token_hex(8)
        self._etag = ""
        self._renewals = 0
        self._is_left = threading.Event()
        self._renewing = threading.Thread(target=self._keep_renewing, daemon=True)

    def __enter__(self) -> Self:
        """Wait until the lease is held."""
        self._acquire()
        self._renewing.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Release the lease, if it is still held."""
        self._is_left.set()
        self._renewing.join()
        try:
            _delete(self._bucket, self._key, self._etag)
        except S3Error as error:
            logger.warning("others may wait for up to %d s: %s", self._seconds, error)

    def _acquire(self) -> None:
        condition: dict[str, str] | None = {"IfNoneMatch": "*"}
        pause, logs_at = 0.1, time.monotonic()
        while condition is None or not self._put(condition):
            state = _look(self._bucket, self._key)
            if state is None:
                condition = {"IfNoneMatch": "*"}
            elif state.age > float(state.metadata.get("seconds", 0)):
                logger.warning("%s is taken over: its holder has not renewed it for %d s", self._uri, state.age)
                condition = {"IfMatch": state.etag}
            else:
                if time.monotonic() >= logs_at:
                    logger.info("waiting for the run %s, which holds %s", state.metadata["owner"], self._uri)
                    logs_at += _LOG_SECONDS
                condition = None
                time.sleep(pause)
                pause = min(1.5 * pause, _LONGEST_PAUSE)

    def _keep_renewing(self) -> None:
        while not self._is_left.wait(self._seconds / 3):
            try:
                if not self._put({"IfMatch": self._etag}):
                    logger.warning("%s was taken over by another run, because it was renewed too late", self._uri)
                    return
            except S3Error as error:
                logger.warning("%s is not renewed: %s", self._uri, error)

    def _put(self, condition: dict[str, str]) -> bool:
        """Put the lease on a condition, and return whether it is held now."""
        metadata = {"owner": _RUN, "token": self._token, "seconds": str(self._seconds)}
        # Each content is another one, and so is its ETag.
        self._renewals += 1
        content = JsonProcessor().serialize({**metadata, "renewals": self._renewals})
        options = {**self._encryption, **condition}
        try:
            self._etag = put_object(
                self._bucket, self._key, content, JsonProcessor.content_type, metadata, options
            ).etag
        except S3Error as error:
            if not _is_unmet(error, condition):
                raise
            state = _look(self._bucket, self._key)
            # The answer to a put that was repeated may tell of itself.
            if state is None or state.metadata.get("token") != self._token:
                return False
            self._etag = state.etag
        return True


def release_leases(folder: str) -> None:
    """Release all leases that this process and its workers still hold: a signal may have kept them from it.

    Args:
        folder: URI of the folder of the leases.
    """
    bucket, prefix = split_uri(folder)
    with s3_client(folder, "list it") as client:
        keys = [item["Key"] for item in list_objects(client, bucket, f"{prefix}/")]
    for key in keys:
        state = _look(bucket, key)
        if state and state.metadata.get("owner") == _RUN:
            _delete(bucket, key, state.etag)


def _look(bucket: str, key: str) -> _State | None:
    with s3_client(f"s3://{bucket}/{key}", "look at it") as client:
        try:
            answer = client.head_object(Bucket=bucket, Key=key)
        except client.exceptions.ClientError as error:
            if get_status(error) == 404:
                return None
            raise
    # Both times are those of the server.
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return _State(answer["ETag"], answer["Metadata"], (now - answer["LastModified"]).total_seconds())


def _delete(bucket: str, key: str, etag: str) -> None:
    """Delete a lease, unless another process has taken it over."""
    try:
        with s3_client(f"s3://{bucket}/{key}", "delete it") as client:
            client.delete_object(Bucket=bucket, Key=key, IfMatch=etag)
    except S3Error as error:
        if not _is_unmet(error, {"IfMatch": etag}):
            raise


def _is_unmet(error: S3Error, condition: dict[str, str]) -> bool:
    """Return whether S3 refuses a request because its condition is not met."""
    from botocore.exceptions import ClientError

    cause = error.__cause__
    return isinstance(cause, ClientError) and get_status(cause) in {
        409,
        412,
        *([404] if "IfMatch" in condition else []),
    }
