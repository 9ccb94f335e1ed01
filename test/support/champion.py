"""A project that has chosen a champion, and what a reader sees of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import lightgbm as lgb
import numpy as np
from mypy_boto3_s3 import S3Client
from support.batch import read_objects
from support.checkout import Checkout, Run
from support.judged_tables import make_fraud
from support.reference import FEATURES, make_noisy_table

Objects = dict[str, tuple[bytes, dict[str, str]]]

TRAIN = ("gokart_pipeline_sample.TrainChampionTask", "--local-scheduler")
SCORE = ("gokart_pipeline_sample.ScoreChampionTask", "--local-scheduler", "--table", "new.csv")
# Another model, which is promoted; and one that is much worse, but passes the gate.
OTHER = ("--gokart-pipeline-sample.TrainTask-seed", "3", "--margin", "0.5")
WORSE = (
    *("--gokart-pipeline-sample.TrainTask-num-boost-round", "1"),
    *("--gokart-pipeline-sample.CheckAccuracyTask-require-better", "false"),
)
REQUIRE = ("--gokart-pipeline-sample.CheckAccuracyTask-require",)
POINTER = "champion/champion.json"
INI = "conf/param.ini"
NEW_ROWS = make_noisy_table(200, seed=2).drop(columns="target")


@dataclass
class Trained:
    """A project with a champion, after which the other model was promoted; the runs, and the objects after each."""

    checkout: Checkout
    run: Run
    other_run: Run
    objects: Objects
    other_objects: Objects

    @property
    def bucket(self) -> str:
        return self.checkout.environment["BUCKET_NAME"]


@dataclass
class Champion:
    """What a reader finds who follows ``champion.json``."""

    pointer: dict[str, Any]
    document: dict[str, Any]
    model: lgb.Booster

    @property
    def name(self) -> str:
        return self.pointer["champion"].split("/")[1]


def read_champion(s3: S3Client, bucket: str) -> Champion | None:
    """Follow ``champion.json`` to the last byte, as a distrustful reader does; None if there is none."""

    def read(key: str) -> bytes:
        answer = s3.get_object(Bucket=bucket, Key=key)
        content = answer["Body"].read()
        assert hashlib.sha256(content).hexdigest() == answer["Metadata"]["sha256"]
        return content

    try:
        pointer = json.loads(read(POINTER))
    except s3.exceptions.NoSuchKey:
        return None
    document = json.loads(read(pointer["champion"]))
    contents = {name: read(document[name]["key"]) for name in ("model", "reference")}
    for name, content in contents.items():
        assert hashlib.sha256(content).hexdigest() == document[name]["sha256"]
    figure = "mae" if "mae" in document else "accuracy"
    assert json.loads(contents["reference"])["figures"][figure] == document[figure]
    return Champion(pointer, document, lgb.Booster(model_str=contents["model"].decode()))


def use_noisy_table(checkout: Checkout) -> None:
    """Let a checkout train on a table whose classes are hard to tell, and give it new rows."""
    make_noisy_table().to_csv(checkout.directory / "train.csv", index=False)
    NEW_ROWS.to_csv(checkout.directory / "new.csv", index=False)
    checkout.edit(INI, "require_acc=0.9", "require_acc=0.2")
    checkout.edit(INI, "[core]", "[gokart_pipeline_sample.LoadDataTask]\ntable=train.csv\n\n[core]")
    checkout.edit(INI, "[core]", "[gokart_pipeline_sample.EvaluateTask]\npermutation_repeats=0\n\n[core]")


def use_fraud_table(checkout: Checkout) -> None:
    """Let a checkout train on payments, of which few are fraud, as if they were flowers."""
    features = {f"x{place}": name for place, name in enumerate(FEATURES[:4])}
    payments = make_fraud(6000)[["id", *features, "target"]].rename(columns=features)
    lengths = {name: np.exp(payments[name]) for name in features.values()}
    payments.assign(**lengths).to_csv(checkout.directory / "train.csv", index=False)
    checkout.edit(INI, "require_acc=0.9", "require_acc=0.2\nrequire_better=false")
    checkout.edit(INI, "[core]", "[gokart_pipeline_sample.LoadDataTask]\ntable=train.csv\n\n[core]")
    fast = "[gokart_pipeline_sample.TrainTask]\nnum_boost_round=30\nnum_leaves=7\nlearning_rate=0.1\n\n"
    checkout.edit(INI, "[core]", f"{fast}[gokart_pipeline_sample.EvaluateTask]\npermutation_repeats=0\n\n[core]")


class Published(NamedTuple):
    """A project that has published a batch in three parts, and the objects."""

    checkout: Checkout
    objects: Objects


def replace_objects(s3: S3Client, bucket: str, objects: Objects) -> None:
    """Make a bucket contain these objects only."""
    found = read_objects(s3, bucket)
    for key in found.keys() - objects.keys():
        s3.delete_object(Bucket=bucket, Key=key)
    for key, (content, metadata) in objects.items():
        if found.get(key) != (content, metadata):
            s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata, ChecksumAlgorithm="SHA256")
