"""The least that a run of the pipeline that is up to date can be: import what it imports, and ask S3 once."""

import os
import sys

import boto3
import gokart  # noqa: F401
import pandera.pandas  # noqa: F401

boto3.client("s3").head_object(Bucket=os.environ["BUCKET_NAME"], Key=sys.argv[1])
