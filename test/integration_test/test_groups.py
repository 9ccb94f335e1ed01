"""Rows of the same customers: a figure that is too good without the mark, and an honest one with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, read_batch
from support.checkout import Checkout
from support.judged_tables import make_grouped

pytestmark = pytest.mark.long

OPTIONS = ("--id", "id", "--target", "target", "--yes")
# Trees that tell a customer from the next one; any model is published.
SETTINGS = """require_acc=0
require_better=false

[gokart_pipeline_sample.TrainTask]
lightgbm={"min_data_in_leaf": 5}
"""


def run(checkout: Checkout, *options: str) -> tuple[dict[str, Any], dict[str, pd.DataFrame]]:
    """Adopt the table and run; return the metrics and the parts."""
    adopted = checkout.main("--new-table", "customers.parquet", *OPTIONS, *options)
    assert adopted.exit_code == 0, adopted.stderr
    ran = checkout.main()
    assert ran.exit_code == 0, ran.stderr
    files = sorted(checkout.workspace.glob("*_*.*"), key=get_time)
    newest = {path.name.rpartition("_")[0]: path for path in files if path.suffix in (".parquet", ".json")}
    parts = {name: pd.read_parquet(newest[f"SplitDataTask_{name}"]) for name in ("train", "valid", "test")}
    metrics = json.loads(newest["metrics"].read_bytes())
    return metrics, parts


def get_time(path: Path) -> int:
    return path.stat().st_mtime_ns


def measure(checkout: Checkout, s3: S3Client, bucket: str, new: pd.DataFrame) -> float:
    """Return the accuracy of the model on rows of customers whom it has never seen."""
    new.drop(columns="target").to_parquet(checkout.directory / "new.parquet", index=False)
    scored = checkout.main(*RUN_BATCH, "--table", str(checkout.directory / "new.parquet"))
    assert scored.exit_code == 0, scored.stderr
    published = read_batch(s3, bucket).published
    joined = published.merge(new, on="id", validate="1:1")
    assert len(joined) == len(new)
    return float((joined["pred"] == joined["target"]).mean())


def test_a_customer_is_in_one_part_and_the_accuracy_is_that_of_new_customers(
    checkout: Checkout, s3: S3Client, bucket: str
) -> None:
    make_grouped().to_parquet(checkout.directory / "customers.parquet", index=False)
    new = make_grouped(seed=1)
    new["customer"] += 20_000
    checkout.edit("conf/param.ini", "require_acc=0.9\n", SETTINGS)

    unmarked, parts = run(checkout)
    assert set(parts["train"]["customer"]) & set(parts["test"]["customer"])
    assert unmarked["groups"] is None
    (warning,) = (each for each in unmarked["warnings"] if "metadata=GROUP" in each)
    assert ": customer (" in warning
    real = measure(checkout, s3, bucket, new)

    marked, parts = run(checkout, "--group", "customer")
    assert sum(part["customer"].nunique() for part in parts.values()) == 200
    assert sum(map(len, parts.values())) == 2000
    assert marked["groups"] == parts["test"]["customer"].nunique() == 40
    assert not [each for each in marked["warnings"] if "metadata=GROUP" in each]
    honest = measure(checkout, s3, bucket, new)

    assert unmarked["model"]["accuracy"] > real + 0.15
    interval = marked["accuracy_interval"]
    assert interval["low"] < honest < interval["high"]
    assert honest >= real - 0.03
