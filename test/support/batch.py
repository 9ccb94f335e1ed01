"""Tables to score, and what a reader sees of the result."""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout

RUN_BATCH = ("gokart_pipeline_sample.RunBatchTask", "--local-scheduler")
# The tasks of a batch that do something after the model has passed.
BATCH_CHAIN = ["GuardTableTask", "ScoreTableTask", "PublishBatchTask"]


def make_flowers(rows: int) -> pd.DataFrame:
    """Make up flowers without a target."""
    generator = np.random.default_rng(rows)
    lengths = ("sepal_length", "sepal_width", "petal_length", "petal_width")
    columns = {name: generator.uniform(0.1, 8.0, rows).round(1) for name in lengths}
    return pd.DataFrame({"id": np.arange(rows), **columns})


@dataclass
class Batch:
    """What a reader finds who follows ``latest.json``."""

    manifest: dict[str, Any]
    published: pd.DataFrame
    rejected: pd.DataFrame


def read_batch(s3: S3Client, bucket: str, prefix: str = "batch") -> Batch | None:
    """Follow ``latest.json`` to the last byte, as a distrustful reader does; None if there is none."""

    def read(key: str) -> bytes:
        return s3.get_object(Bucket=bucket, Key=key)["Body"].read()

    def read_parts(parts: list[dict[str, Any]]) -> pd.DataFrame:
        frames = [pd.DataFrame()]
        for part in parts:
            content = read(part["key"])
            assert len(content) == part["size"]
            assert hashlib.sha256(content).hexdigest() == part["sha256"]
            # By default, pandas 3.0 reads a third of all floats as one of their neighbours.
            read_csv = functools.partial(pd.read_csv, float_precision="round_trip")
            load = pd.read_parquet if part["key"].endswith(".parquet") else read_csv
            frames.append(load(BytesIO(content)))
            assert len(frames[-1]) == part["rows"]
        return pd.concat(frames, ignore_index=True)

    try:
        pointer = json.loads(read(f"{prefix}/latest.json"))
    except s3.exceptions.NoSuchKey:
        return None
    manifest = json.loads(read(pointer["manifest"]))
    batch = Batch(manifest, read_parts(manifest["parts"]), read_parts(manifest["rejected"]))
    assert manifest["rows_published"] == len(batch.published)
    assert manifest["rows_rejected"] == len(batch.rejected)
    assert manifest["rows_in"] == manifest["rows_published"] + manifest["rows_rejected"]
    return batch


def read_objects(s3: S3Client, bucket: str) -> dict[str, tuple[bytes, dict[str, str]]]:
    """Return the content and the metadata of every object of a bucket, by key."""
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    answers = {key: s3.get_object(Bucket=bucket, Key=key) for key in keys}
    return {key: (answer["Body"].read(), answer["Metadata"]) for key, answer in answers.items()}


def take_objects(s3: S3Client, bucket: str, prefix: str = "") -> dict[str, tuple[bytes, dict[str, str]]]:
    """Return every object of a bucket, as :func:`read_objects` does, and delete those with a prefix."""
    found = read_objects(s3, bucket)
    for key in found:
        if key.startswith(prefix):
            s3.delete_object(Bucket=bucket, Key=key)
    return found


def publish_with(engine: str, checkout: Checkout, s3: S3Client, *options: str) -> list[str]:
    """Publish a batch with an engine, and return the digests of its parts."""
    chosen = ("--prefix", engine, "--with-proba", "true", "--gokart-pipeline-sample.ScoreTableTask-engine", engine)
    run = checkout.main(*RUN_BATCH, *chosen, *options, XDG_CACHE_HOME=str(checkout.directory / "cache"))
    assert run.exit_code == 0, run.stderr
    assert "LightGBM predicts" not in run.stderr
    batch = read_batch(s3, checkout.environment["BUCKET_NAME"], engine)
    return [part["sha256"] for part in batch.manifest["parts"]]
