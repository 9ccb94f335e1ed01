"""Serve the data of the embedded S3 in the foreground."""

import shlex

from gokart_pipeline_sample.io.s3 import find_metadata, list_objects
from gokart_pipeline_sample.io.targets import UNIQUE_ID
from pipeline_runner.local_s3.embedded_s3 import BUCKET, EmbeddedS3
from pipeline_runner.signals import wait_for_signal


def serve(server: EmbeddedS3) -> int:
    """Print how to fetch the published object, serve until Ctrl-C, and return the exit status."""
    objects = sorted(list_objects(BUCKET, ""), key=lambda item: item["LastModified"], reverse=True)
    # What no task has published does not count: a report.
    published = (item["Key"] for item in objects if UNIQUE_ID in (find_metadata(BUCKET, item["Key"]) or {}))
    url = f"s3://{BUCKET}/{next(published, 'output.csv')}"
    environment = server.environment()
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items() if name != "BUCKET_NAME")
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {environment['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"fetch        {variables} aws s3 cp {shlex.quote(url)} -")
    print("Ctrl-C stops it.", flush=True)
    wait_for_signal()
    return 0
