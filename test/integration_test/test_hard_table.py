"""A table that is nothing like iris: all types, odd names, thousands of categories, a rare class that matters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support import hard_table
from support.batch import BATCH_CHAIN, RUN_BATCH, read_batch, read_objects
from support.checkout import CHAIN, Checkout, make_environment

from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

pytestmark = pytest.mark.long

ORDERS, NEW_ORDERS = 20_000, 50_000
PUBLISHED = ["order day", "保険", "市区町村", 'age: "years"']
SETTINGS = """
[gokart_pipeline_sample.LoadDataTask]
table=./orders.{ending}
on_bad_row=drop

[gokart_pipeline_sample.SplitDataTask]
split_by=order day

[gokart_pipeline_sample.MakeOutputTask]
publish={published}

[gokart_pipeline_sample.TrainTask]
class_weight={class_weight}
learning_rate=0.2
num_boost_round=15
num_leaves=8

[gokart_pipeline_sample.EvaluateTask]
permutation_repeats=1
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    for name, rows in (("orders", ORDERS), ("new_orders", NEW_ORDERS)):
        data = hard_table.make_orders(rows, labelled=name == "orders")
        for ending in ("csv", "parquet"):
            hard_table.write(data, folder / f"{name}.{ending}")
    return folder


def adopt(
    checkout: Checkout, tables: Path, *, class_weight: str, ending: str = "parquet", fitted: bool = False
) -> Checkout:
    """Do what a user does by hand to use the table."""
    for path in tables.glob(f"*.{ending}"):
        (checkout.directory / path.name).hardlink_to(path)
    pipeline = checkout.directory / "gokart_pipeline_sample" / "pipeline"
    for name, text in hard_table.FILES.items():
        (pipeline / name).write_text(text)
    if fitted:
        checkout.edit(
            "gokart_pipeline_sample/pipeline/fitted_features.py",
            "FITTED_FEATURES: FittedFeatures | None = None",
            hard_table.FITTED_FEATURES,
        )
    checkout.edit(
        "conf/param.ini",
        "require_acc=0.9",
        "require_acc=0.5\nrequire_better=false\nrequire=recall[fraud]>0.5, roc_auc>baseline+0.1",
    )
    settings = checkout.directory / "conf" / "param.ini"
    settings.write_text(
        settings.read_text()
        + SETTINGS.format(ending=ending, class_weight=class_weight, published=json.dumps(PUBLISHED))
    )
    return checkout


@pytest.fixture(scope="module")
def adopted(
    server: EmbeddedS3, make_bucket: Callable[[], str], tables: Path, tmp_path_factory: pytest.TempPathFactory
) -> Checkout:
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("adopted") / "checkout", environment)
    adopt(checkout, tables, class_weight="balanced")
    run = checkout.main()
    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    assert (
        f"{hard_table.INFINITE_ROWS} of {ORDERS} rows break the schema and are left out: ratio breaks finite"
        in run.stderr
    )
    return checkout


def read_metrics(checkout: Checkout) -> dict[str, object]:
    (path,) = checkout.workspace.glob("metrics_*.json")
    metrics: dict[str, object] = json.loads(path.read_text())
    return metrics


def test_a_model_that_finds_no_fraud_is_refused(checkout: Checkout, tables: Path, bucket: str, s3: S3Client) -> None:
    adopt(checkout, tables, class_weight="none")
    run = checkout.main()
    assert run.exit_code == 40
    recall = next(each["recall"] for each in read_metrics(checkout)["classes"] if each["name"] == "fraud")
    assert run.stderr.splitlines()[-1] == (
        f"error: CheckAccuracyTask: recall[fraud]>0.5 is required and it is {recall:.4g}: nothing is published"
    )
    assert read_metrics(checkout)["model"]["accuracy"] > 0.89
    assert read_objects(s3, bucket) == {}


def test_the_run_warns_as_a_data_scientist_would(adopted: Checkout) -> None:
    warnings = "\n".join(read_metrics(adopted)["warnings"])
    assert "the same value in all training rows: constant\n" in warnings
    assert "missing in more than half of the training rows: rarely known (90%)" in warnings
    assert "values in test rows that no training row has: 市区町村 (" in warnings


def test_what_is_kept_splits_the_rows_and_is_published_and_no_model_sees_it(
    adopted: Checkout, tables: Path, s3: S3Client
) -> None:
    train, valid, test = (
        pd.read_parquet(*adopted.workspace.glob(f"SplitDataTask_{name}_*.parquet"))
        for name in ("train", "valid", "test")
    )
    assert train["order day"].max() < valid["order day"].min() <= valid["order day"].max() < test["order day"].min()
    assert "a leak" in train
    (model,) = adopted.workspace.glob("TrainTask_*.txt")
    (features,) = re.findall("^feature_names=(.*)$", model.read_text(), re.MULTILINE)
    assert len(features.split()) == len(train.columns) - 4  # the id, the target, and what is kept
    assert not re.search("day|leak", features)
    content = read_objects(s3, adopted.environment["BUCKET_NAME"])["output.csv"][0]
    output, orders = pd.read_csv(BytesIO(content)), pd.read_csv(tables / "orders.csv").set_index("order no.")
    assert output.columns.tolist() == ["id", "pred", *PUBLISHED]
    assert output["id"].tolist() == test["order no."].tolist()
    assert output[PUBLISHED].equals(orders.loc[output["id"], PUBLISHED].reset_index(drop=True))


def test_new_rows_are_scored_alike_from_parquet_and_csv(
    adopted: Checkout, tables: Path, checkout: Checkout, s3: S3Client, bucket: str
) -> None:
    first = adopted.main(*RUN_BATCH, "--table", "new_orders.parquet", cwd=adopted.directory)
    assert first.exit_code == 0, first.stderr
    assert sorted(first.tasks) == sorted([*BATCH_CHAIN, "MakeReferenceTask"])
    adopt(checkout, tables, class_weight="balanced", ending="csv")
    second = checkout.main(*RUN_BATCH, "--table", "new_orders.csv", cwd=checkout.directory)
    assert second.exit_code == 0, second.stderr

    one, other = read_batch(s3, adopted.environment["BUCKET_NAME"]), read_batch(s3, bucket)
    assert len(one.published) == NEW_ORDERS
    pd.testing.assert_frame_equal(one.published, other.published)
    new_orders = pd.read_csv(tables / "new_orders.csv")[["order no.", *PUBLISHED]]
    pd.testing.assert_frame_equal(
        one.published[["id", *PUBLISHED]].astype({"order day": "datetime64[ns]"}),
        new_orders.rename(columns={"order no.": "id"}).astype({"order day": "datetime64[ns]"}),
    )
    assert one.published.columns.tolist() == ["id", "pred", *PUBLISHED]
    assert set(one.published["pred"]) == {"regular", "late", "fraud"}
    unseen = one.manifest["unseen"]
    assert unseen == other.manifest["unseen"]
    new = pd.read_parquet(tables / "new_orders.parquet", columns=["市区町村"])["市区町村"].astype("str")
    (model,) = adopted.workspace.glob("TrainTask_*.txt")
    known = json.loads(model.read_text().rpartition("pandas_categorical:")[2])[0]
    assert unseen["市区町村"]["rows"] == (~new.isin(known) & new.notna()).sum() > NEW_ORDERS / 5
    assert f"unseen     市区町村 ({unseen['市区町村']['rows']} rows)" in first.stdout.splitlines()
    assert len(unseen["市区町村"]["values"]) == 10
    assert not set(unseen["市区町村"]["values"]) & set(known)


def test_features_that_learn_are_kept_with_the_model(
    checkout: Checkout, tables: Path, bucket: str, s3: S3Client
) -> None:
    adopt(checkout, tables, class_weight="balanced", fitted=True)
    run = checkout.main(*RUN_BATCH, "--table", "new_orders.parquet", cwd=checkout.directory)
    assert run.exit_code == 0, run.stderr
    assert len(read_batch(s3, bucket).published) == NEW_ORDERS
    (train,) = checkout.workspace.glob("SplitDataTask_train_*.parquet")
    cities = set(pd.read_parquet(train)["市区町村"].dropna())
    (model,) = checkout.workspace.glob("TrainTask_*.txt")
    (fitted,) = re.findall("^fitted_features:(.*)$", model.read_text(), re.MULTILINE)
    assert set(json.loads(fitted)["shares"]) == cities
    again = checkout.main("gokart_pipeline_sample.RunTask", "--local-scheduler")
    assert (again.exit_code, again.tasks) == (0, ["UploadS3Task"])


def test_bad_rows_to_score_are_found_before_training(
    checkout: Checkout, tables: Path, bucket: str, s3: S3Client
) -> None:
    adopt(checkout, tables, class_weight="balanced")
    rows = hard_table.make_orders(100, labelled=False).assign(items=0, country="XX")
    rows.to_csv(checkout.directory / "bad.csv", index=False)
    run = checkout.main(*RUN_BATCH, "--table", "bad.csv", cwd=checkout.directory)
    assert run.exit_code == 40
    assert "TrainTask" not in run.tasks
    last = run.stderr.splitlines()[-1]
    assert last.startswith("error: GuardTableTask: 100 of 100 rows break OrderSchema")
    assert "country breaks isin(['DE', 'FR', 'JP', 'US']) in 100 rows" in last
    assert "and the values ['XX']" in last
    assert read_objects(s3, bucket) == {}
