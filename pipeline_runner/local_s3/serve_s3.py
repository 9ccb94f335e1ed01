"""Serve the data of the embedded S3 in the foreground."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from gokart_pipeline_sample.io.s3 import list_objects
from gokart_pipeline_sample.io.s3_target import UNIQUE_ID
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3
from pipeline_runner.signals import wait_for_signal

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def serve(server: EmbeddedS3) -> None:
    """Print how to fetch the published object, and serve until Ctrl-C."""
    server.wait_until_ready()
    environment = server.environment()
    bucket = environment.pop("BUCKET_NAME")
    key = find_published(server.connect(), bucket) or "output.csv"
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {environment['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"fetch        {variables} aws s3 cp {shlex.quote(f's3://{bucket}/{key}')} -")
    print("Ctrl-C stops it.", flush=True)
    wait_for_signal()


def find_published(client: S3Client, bucket: str) -> str | None:
    """Return the key of the newest object that a task has published, if there is one; reports do not count."""
    objects = sorted(list_objects(client, bucket, ""), key=lambda item: item["LastModified"], reverse=True)
    keys = (item["Key"] for item in objects)
    return next((key for key in keys if UNIQUE_ID in client.head_object(Bucket=bucket, Key=key)["Metadata"]), None)
