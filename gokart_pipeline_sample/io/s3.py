"""Requests to S3."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import os
import random
import time
import tomllib
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from logging import getLogger
from multiprocessing import ProcessError
from multiprocessing.pool import ThreadPool
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from gokart_pipeline_sample.errors import DamagedFileError, S3Error

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from botocore.exceptions import ClientError
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectTypeDef

logger = getLogger(__name__)

SHA256 = "sha256"
IF_MISSING = "create the bucket, or correct BUCKET_NAME"
READ_ATTEMPTS = 3  # Of a body whose connection breaks; botocore only retries requests that get no response.
ATTEMPTS = 3  # Of a request; they and the pauses between them end within 30 s, even if the server never responds.
# Seconds after each further attempt if S3 is overloaded, or has an error of its own; a minute of that is not unusual.
PAUSES = {3: 8, 4: 16, 5: 20, 6: 20, 7: 20}
OVERLOADED = (429, 502, 503, 504)
CLOCK_SECONDS = 15 * 60  # S3 refuses requests if the clocks differ by more.
CREDENTIALS_SECONDS = 60  # botocore would wait for a credential_process for ever.
_ADVICE: dict[str, dict[str, str]] = tomllib.loads(Path(__file__).with_name("s3_advice.toml").read_text("utf-8"))
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
            if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
                client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0")  # Unlike a HEAD, it tells the cause.
                raise
            if bucket not in _known_buckets.setdefault(client, set()):
                client.head_bucket(Bucket=bucket)  # A missing bucket gives the same status.
                _known_buckets[client].add(bucket)
            return None
        metadata, _ = answer["Metadata"], answer["ETag"]  # A server that is no S3 sends no ETag: a KeyError.
    checksum = base64.b64decode(answer.get("ChecksumSHA256", "")).hex()
    has_checksum = any(name.startswith("Checksum") for name in answer)
    return {} if has_checksum and checksum != metadata.get(SHA256) else metadata


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


def get_intact_object(bucket: str, key: str, if_missing: str, if_damaged: str, **conditions: Any) -> bytes:
    """Return the content of an object; an error gives the advice for one that is missing, or not what was put."""
    content, metadata = get_object(bucket, key, if_missing, **conditions)
    if metadata.get(SHA256) != hashlib.sha256(content).hexdigest():
        raise DamagedFileError(f"s3://{bucket}/{key} is not what a run has put: {if_damaged}")
    return content


def list_objects(bucket: str, prefix: str, if_missing: str = IF_MISSING) -> Iterator[ObjectTypeDef]:
    """Yield key, size and ETag of each object whose key begins with a prefix."""
    with s3_client(f"s3://{bucket}/{prefix}", "list it", if_missing) as client:
        for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            yield from page.get("Contents", [])


@contextlib.contextmanager
def s3_client(url: str, action: str, if_missing: str = IF_MISSING) -> Iterator[S3Client]:
    """Provide an S3 client; its errors become an S3Error: what S3 refuses (``action``) at which URL, and what to do."""
    from botocore.credentials import RefreshableCredentials
    from botocore.exceptions import BotoCoreError, ClientError
    from botocore.parsers import ResponseParserError

    try:
        # A forked worker must not share the connections of its parent.
        client, credentials = client_of_process(os.getpid())
        if isinstance(credentials, RefreshableCredentials) and credentials.refresh_needed():
            with ThreadPool(1) as pool:
                pool.apply_async(credentials.get_frozen_credentials).get(CREDENTIALS_SECONDS)
        yield client
    except RecursionError as error:  # botocore keeps asking for the region of the bucket.
        raise S3Error(f"{url}: S3 does not tell the region of the bucket: set AWS_DEFAULT_REGION to it") from error
    except ClientError as error:
        raise S3Error(f"{url}: S3 refuses to {action}: {_advise(error, if_missing)} ({error})") from error
    except (BotoCoreError, ResponseParserError, ProcessError, KeyError, OSError, ValueError) as error:
        known = _ADVICE["class"]
        advice = next(known[kind.__name__] for kind in type(error).__mro__ if kind.__name__ in known)
        raise S3Error(f"{url}: S3 cannot be asked to {action}: {advice} ({error})") from error


def _advise(error: ClientError, if_missing: str) -> str:
    code, metadata = error.response.get("Error", {}).get("Code", ""), error.response["ResponseMetadata"]
    date = metadata.get("HTTPHeaders", {}).get("date")
    seconds = abs(parsedate_to_datetime(date).timestamp() - time.time()) if date else 0
    if seconds > CLOCK_SECONDS:
        return f"set the clock of this machine: it differs from that of S3 by {seconds:,.0f} s"
    if code.startswith("KMS.") or "kms:" in str(error):
        code = "KMS"
    elif (code.isdigit() or not code) and not error.operation_name.startswith("Head"):
        code = "none"
    elif metadata["HTTPStatusCode"] == 404:
        return if_missing
    return _ADVICE["code"].get(code, "try again later, or ask who runs the server")


@functools.cache
def client_of_process(_process_id: int) -> tuple[S3Client, Credentials | None]:
    """Return the client of this process and its credentials, with the configuration that boto3 finds now."""
    import boto3
    from botocore.config import Config
    from botocore.session import get_session

    # A new session: the default one remembers the environment of its first use.
    session = get_session()
    attempts = session.get_config_variable("max_attempts")
    retries: Any = {"total_max_attempts": ATTEMPTS if attempts is None else attempts}
    config = Config(connect_timeout=5, read_timeout=8, retries=retries)
    with ThreadPool(1) as pool:  # Its thread does not outlive the process.
        credentials = pool.apply_async(session.get_credentials).get(CREDENTIALS_SECONDS)
    client = boto3.Session(botocore_session=session).client("s3", config=config)
    if attempts is None:
        client.meta.events.register_last("needs-retry.s3", _pause_if_overloaded)
    return client, credentials


def _pause_if_overloaded(response: tuple[Any, Any] | None, attempts: int, **_: Any) -> Any:
    """Return the seconds after which botocore repeats a request, if it has given up and S3 may do it later."""
    if response is None or attempts not in PAUSES:
        return None
    answer, parsed = response
    # A web server that is no S3 gives a status of 500, too, but not this code.
    is_broken = parsed.get("Error", {}).get("Code") == "InternalError"
    # Not all at the same moment, but never so early that a minute is not survived.
    seconds = PAUSES[attempts] * random.uniform(0.8, 1)  # noqa: S311
    return seconds if is_broken or answer.status_code in OVERLOADED else None
