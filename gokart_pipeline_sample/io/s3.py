"""Requests to S3."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from logging import getLogger
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from gokart_pipeline_sample.errors import S3Error

if TYPE_CHECKING:
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

logger = getLogger(__name__)

SHA256 = "sha256"
IF_MISSING = "create the bucket, or correct BUCKET_NAME"
READ_ATTEMPTS = 3  # Of a body whose connection breaks; botocore only retries requests that get no response.
CLOCK_SECONDS = 15 * 60  # S3 refuses requests if the clocks differ by more.
# The existing buckets, by client; a client that is not used any more closes its connections.
_known_buckets: WeakKeyDictionary[S3Client, set[str]] = WeakKeyDictionary()


class Encryption(NamedTuple):
    """The encryption of objects that are put: ``AES256``, ``aws:kms`` with or without a key, or that of the bucket."""

    server_side: str = ""
    kms_key_id: str = ""


BUCKET_ENCRYPTION = Encryption()


def is_s3(uri: str) -> bool:
    """Return whether a path or URI is one of S3 (``s3://bucket/key``)."""
    return uri.startswith("s3://")


def split_uri(uri: str) -> tuple[str, str]:
    """Return bucket and key of a URI (``s3://bucket/key``), without superfluous slashes."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, "/".join(filter(None, key.split("/")))


def find_metadata(bucket: str, key: str, if_missing: str = IF_MISSING) -> dict[str, str] | None:
    """Return the metadata of an object, nothing if its content was not put with it, or None if there is no object.

    S3's own checksum shows whether the content is another one; servers without checksums cannot detect it. A missing
    bucket is an S3Error with the advice ``if_missing``.
    """
    with s3_client(f"s3://{bucket}/{key}", "look at it", if_missing) as client:
        try:
            answer = client.head_object(Bucket=bucket, Key=key, ChecksumMode="ENABLED")
        except client.exceptions.ClientError as error:
            if get_status(error) != 404:
                raise
            if bucket not in _known_buckets.setdefault(client, set()):
                client.head_bucket(Bucket=bucket)  # A missing bucket gives the same status.
                _known_buckets[client].add(bucket)
            return None
    metadata, checksum = answer["Metadata"], base64.b64decode(answer.get("ChecksumSHA256", "")).hex()
    has_checksum = any(name.startswith("Checksum") for name in answer)
    return {} if has_checksum and checksum != metadata.get(SHA256) else metadata


def read_metadata(bucket: str, key: str) -> dict[str, str]:
    """Return the metadata of an object, or nothing if it is missing as well; see :func:`find_metadata`."""
    return find_metadata(bucket, key) or {}


def put_object(
    bucket: str,
    key: str,
    content: bytes,
    content_type: str,
    metadata: dict[str, str],
    encryption: Encryption,
    **conditions: Any,
) -> tuple[str, str]:
    """Put an object in one request, with a checksum; return its ETag and its SHA-256, which its metadata has, too.

    The conditions are further arguments of S3's PutObject: ``IfMatch`` or ``IfNoneMatch``.
    """
    digest = hashlib.sha256(content)
    encrypting: dict[str, Any] = {"ServerSideEncryption": encryption.server_side, "SSEKMSKeyId": encryption.kms_key_id}
    with s3_client(f"s3://{bucket}/{key}", "put it") as client:
        answer = client.put_object(
            Bucket=bucket,
            Key=key,
            Body=content,
            ContentType=content_type,
            ChecksumSHA256=base64.b64encode(digest.digest()).decode(),
            Metadata={**metadata, SHA256: digest.hexdigest()},
            **{name: value for name, value in encrypting.items() if value},
            **conditions,
        )
    return answer["ETag"], digest.hexdigest()


def get_object(bucket: str, key: str, if_missing: str = IF_MISSING, **conditions: Any) -> tuple[bytes, dict[str, str]]:
    """Return content and metadata of an object; conditions are arguments of S3's GetObject: ``Range``, ``IfMatch``."""
    from botocore.exceptions import BotoCoreError

    attempt = 0
    while True:
        attempt += 1
        with s3_client(f"s3://{bucket}/{key}", "read it", if_missing) as client:
            answer = client.get_object(Bucket=bucket, Key=key, **conditions)
            try:
                return answer["Body"].read(), answer["Metadata"]
            except BotoCoreError as error:
                if attempt == READ_ATTEMPTS:
                    raise
                logger.warning("s3://%s/%s: the answer of S3 broke off, it is read again (%s)", bucket, key, error)
                time.sleep(attempt / 2)


def list_objects(bucket: str, prefix: str, if_missing: str = IF_MISSING) -> Iterator[ObjectTypeDef]:
    """Yield key, size and ETag of each object whose key begins with a prefix."""
    with s3_client(f"s3://{bucket}/{prefix}", "list it", if_missing) as client:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", [])


@contextlib.contextmanager
def s3_client(url: str, action: str, if_missing: str = IF_MISSING) -> Iterator[S3Client]:
    """Provide an S3 client; its errors become an S3Error: what S3 refuses (``action``) at which URL, and what to do."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield client_of_process(os.getpid())  # A forked worker must not share the connections of its parent.
    except RecursionError as error:  # botocore keeps asking for the region of the bucket.
        raise S3Error(f"{url}: S3 does not tell the region of the bucket: set AWS_DEFAULT_REGION to it") from error
    except ClientError as error:
        date = error.response["ResponseMetadata"].get("HTTPHeaders", {}).get("date")
        seconds = abs(parsedate_to_datetime(date).timestamp() - time.time()) if date else 0
        advice = {
            301: "set AWS_DEFAULT_REGION to the region of the bucket",
            400: "check the credentials: they may be expired",
            403: "check the credentials, and that they grant s3:GetObject, s3:PutObject and s3:ListBucket",
            404: if_missing,
            412: "it has changed meanwhile: run again",
        }.get(get_status(error), "try again, or ask who runs the server")
        if seconds > CLOCK_SECONDS:
            advice = f"set the clock of this machine: it differs from that of S3 by {seconds:,.0f} s"
        raise S3Error(f"{url}: S3 refuses to {action}: {advice} ({error})") from error
    except BotoCoreError as error:
        advice = "check the network, AWS_ENDPOINT_URL and the credentials"
        raise S3Error(f"{url}: S3 cannot be asked to {action}: {advice} ({error})") from error


def get_status(error: ClientError) -> int:
    """Return the HTTP status of S3's response."""
    return error.response["ResponseMetadata"]["HTTPStatusCode"]


@functools.cache
def client_of_process(_process_id: int) -> S3Client:
    """Return the client of this process, with the configuration that boto3 finds now."""
    import boto3
    from botocore.config import Config

    # Three attempts and the pauses between them end within 30 s, even if the server never responds.
    config = Config(connect_timeout=5, read_timeout=8, retries={"mode": "standard", "total_max_attempts": 3})
    # A new session: the default one remembers the environment of its first use.
    return boto3.Session().client("s3", config=config)
