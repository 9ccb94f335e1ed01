"""Serve the data of the embedded S3 in the foreground."""

from __future__ import annotations

import shlex

from gokart_pipeline_sample.io.targets import UNIQUE_ID
from pipeline_runner.local_s3.embedded_s3 import BUCKET, EmbeddedS3
from pipeline_runner.signals import wait_for_signal


def serve(server: EmbeddedS3) -> None:
    """Print how to fetch the published object, and serve until Ctrl-C."""
    server.wait_until_ready()
    client = server.connect()
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    objects = [item for page in pages for item in page.get("Contents", [])]
    keys = (item["Key"] for item in sorted(objects, key=lambda item: item["LastModified"], reverse=True))
    # What no task has published does not count: a report.
    published = (key for key in keys if UNIQUE_ID in client.head_object(Bucket=BUCKET, Key=key)["Metadata"])
    url = f"s3://{BUCKET}/{next(published, 'output.csv')}"
    environment = server.environment()
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items() if name != "BUCKET_NAME")
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {environment['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"fetch        {variables} aws s3 cp {shlex.quote(url)} -")
    print("Ctrl-C stops it.", flush=True)
    wait_for_signal()
