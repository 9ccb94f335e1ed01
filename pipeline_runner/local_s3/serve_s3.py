"""Serve the data of the embedded S3 in the foreground."""

import shlex

from pipeline_runner.local_s3.embedded_s3 import BUCKET, EmbeddedS3
from pipeline_runner.paths import COMMAND
from pipeline_runner.signals import wait_for_signal
from pipeline_runner.upkeep.fetch import find_published, list_parts


def serve(server: EmbeddedS3) -> int:
    """Print what was published last, and how to fetch it; serve until Ctrl-C, and return the exit status."""
    key = find_published(BUCKET)
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {server.environment()['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"published    {f's3://{BUCKET}/{list_parts(BUCKET, key)[0]}' if key else 'nothing yet'}")
    print(f"fetch        {COMMAND} --fetch {shlex.quote(key)}")
    wait_for_signal()
    return 0
