"""The lower bound for a run that is up to date: the same imports and one request to S3."""

import os
import sys

import boto3
import gokart  # noqa: F401
import pandera.pandas  # noqa: F401

boto3.client("s3").head_object(Bucket=os.environ["BUCKET_NAME"], Key=sys.argv[1])
