"""Fetch what was published, or serve it."""

import contextlib
import json
import shlex
import sys

from gokart_pipeline_sample.io.manifest import make_folder
from gokart_pipeline_sample.io.s3 import get_intact_object, is_s3, list_objects
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from pipeline_runner.errors import UsageError
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3
from pipeline_runner.paths import COMMAND
from pipeline_runner.signals import wait_for_signal

POINTER, ADVICE = "latest.json", ("publish it, or name another object", "publish it again")


def fetch(wanted: str) -> int:
    """Write an object (by key or URI, or the last one) to stdout, a batch as one CSV; return the exit status."""
    bucket, _, key = wanted.removeprefix("s3://").partition("/")
    if not is_s3(wanted):
        bucket, key = UploadS3Task.bucket.task_value(UploadS3Task.task_family, "bucket"), wanted
    if not (key := key or find_published(bucket)):
        raise UsageError(f"nothing is published in s3://{bucket} yet: run the pipeline, or name an object")
    keys = list_parts(bucket, key)
    if len(keys) > 1 and keys[0].endswith(".parquet"):
        raise UsageError(f"{len(keys)} Parquet files make no single one: fetch each, from {keys[0]} to {keys[-1]}")
    with contextlib.suppress(BrokenPipeError):  # Whoever reads it, such as head, has enough.
        for number, each in enumerate(keys):
            content = get_intact_object(bucket, each, *ADVICE)
            start = content.index(b"\n") + 1 if number else 0
            while content.count(b'"', 0, start) % 2:  # A name with quotes may have line breaks.
                start = content.index(b"\n", start) + 1
            sys.stdout.buffer.write(content[start:])
        sys.stdout.buffer.flush()
    return 0


def serve(server: EmbeddedS3) -> int:
    """Print what was published last, and how to fetch it; serve until Ctrl-C, and return the exit status."""
    environment = server.environment()
    key = find_published(bucket := environment["BUCKET_NAME"])
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {environment['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"published    {f's3://{bucket}/{list_parts(bucket, key)[0]}' if key else 'nothing yet'}")
    print(f"fetch        {COMMAND} --fetch {shlex.quote(key)}")
    wait_for_signal()
    return 0


def find_published(bucket: str) -> str:
    """Return the key of the object or of the pointer to a batch, whichever was put last; nothing if there is none."""
    prefix = ScoreTableTask.prefix.task_value(ScoreTableTask.task_family, "prefix")
    keys = UploadS3Task.key.task_value(UploadS3Task.task_family, "key"), f"{make_folder(prefix)}{POINTER}"
    found = [item for key in keys for item in list_objects(bucket, key) if item["Key"] == key]
    return max(found, key=lambda item: item["LastModified"])["Key"] if found else ""


def list_parts(bucket: str, key: str) -> list[str]:
    """Return the keys of the parts of a batch, if a key is that of its pointer, or else that key alone."""
    if key.rpartition("/")[2] != POINTER:
        return [key]
    pointer = json.loads(get_intact_object(bucket, key, *ADVICE))
    manifest = json.loads(get_intact_object(bucket, pointer["manifest"], *ADVICE))
    return [part["key"] for part in manifest["parts"]]
