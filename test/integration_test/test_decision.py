"""Payments of which few are fraud: a threshold that the validation rows choose decides, wherever rows are predicted."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from scipy.stats import binomtest
from support.batch import RUN_BATCH, read_batch
from support.champion import TRAIN, read_champion
from support.checkout import CHAIN, Checkout, make_environment
from support.judged_tables import make_fraud
from support.numbers import adopt, get_time, read_newest

from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor, get_kept
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

pytestmark = pytest.mark.long

RUN = ("gokart_pipeline_sample.RunTask", "--local-scheduler")
SCORE = ("gokart_pipeline_sample.ScoreChampionTask", "--local-scheduler")
OPTION, TEXT = "--gokart-pipeline-sample.PredTask-decision", "1:recall>=0.9"
DECISION = (OPTION, TEXT)
NEW = ("--table", "new.parquet", "--with-proba", "true", "--prefix")
FEATURES = [f"x{number}" for number in range(6)]
PAYMENTS, NEW_PAYMENTS = make_fraud(40_000), make_fraud(8_000, seed=1)
# The same split for all tasks. Most payments are no fraud, so who finds more fraud is right less often.
SETTINGS = """require_acc=0.2
require_better=false

[gokart_pipeline_sample.SplitDataTask]
split_by=id

[gokart_pipeline_sample.EvaluateTask]
permutation_repeats=0

[gokart_pipeline_sample.TrainTask]
num_leaves=7
num_boost_round=60
"""


@pytest.fixture(scope="module")
def fraud(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project that has adopted the payments and published once, with the decision."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("fraud") / "checkout", environment)
    NEW_PAYMENTS.drop(columns="target").to_parquet(checkout.directory / "new.parquet", index=False)
    adopt(checkout, PAYMENTS)
    checkout.edit("conf/param.ini", "require_acc=0.9\n", SETTINGS)
    run = checkout.main(*RUN, *DECISION)
    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    return checkout


def read_model(checkout: Checkout) -> tuple[lgb.Booster, dict[str, Any]]:
    """Return the newest model, as LightGBM reads it, and its decision."""
    content = max(checkout.workspace.glob("TrainTask_*.txt"), key=get_time).read_bytes()
    kept = get_kept(LightGBMModelProcessor().deserialize(content), "decision")
    return lgb.Booster(model_str=content.decode()), kept


def predict_fraud(model: lgb.Booster, rows: pd.DataFrame) -> np.ndarray:
    """Return the probability of fraud, row by row."""
    return np.asarray(model.predict(rows[FEATURES]))[:, 1]


def bound(found: int, rows: int, side: str) -> float:
    """Return the lower ("low") or upper ("high") bound of the share of found rows, with a confidence of 0.95."""
    return float(getattr(binomtest(found, rows).proportion_ci(0.9, method="exact"), side))


def find_threshold(probable: np.ndarray, is_fraud: np.ndarray, recall: float) -> float:
    """Return the highest threshold that is sure to find that share, the slow way."""
    found = {each: int((probable[is_fraud] >= each).sum()) for each in np.unique(probable)}
    return float(max(each for each, count in found.items() if bound(count, int(is_fraud.sum()), "low") >= recall))


class TestThreshold:
    def test_is_chosen_on_the_validation_rows_alone(self, fraud: Checkout) -> None:
        model, decision = read_model(fraud)
        valid = read_newest(fraud, "SplitDataTask_valid_*.parquet")
        probable, is_fraud = predict_fraud(model, valid), valid["target"].to_numpy() == 1

        assert decision["threshold"] == find_threshold(probable, is_fraud, 0.9)
        assert (decision["text"], decision["class"]) == (TEXT, 1)
        is_decided = probable >= decision["threshold"]
        assert decision["recall"] == pytest.approx(is_decided[is_fraud].mean())
        assert decision["precision"] == pytest.approx(is_fraud[is_decided].mean())
        for part in ("train", "test"):
            rows = read_newest(fraud, f"SplitDataTask_{part}_*.parquet")
            of_part = find_threshold(predict_fraud(model, rows), rows["target"].to_numpy() == 1, 0.9)
            assert decision["threshold"] != of_part

    def test_decides_what_is_published_and_the_metrics(self, fraud: Checkout, s3: S3Client) -> None:
        model, decision = read_model(fraud)
        test = read_newest(fraud, "SplitDataTask_test_*.parquet")
        answer = s3.get_object(Bucket=fraud.environment["BUCKET_NAME"], Key="output.csv")
        output = pd.read_csv(BytesIO(answer["Body"].read()))
        expected = (predict_fraud(model, test) >= decision["threshold"]).astype(int)

        assert output["id"].tolist() == test["id"].tolist()
        assert output["pred"].tolist() == expected.tolist()
        metrics, truth = read_newest(fraud, "metrics_*.json"), test["target"].to_numpy()
        assert metrics["confusion_matrix"] == pd.crosstab(truth, expected).to_numpy().tolist()
        accuracy = float((truth == expected).mean())
        assert float(answer["Metadata"]["accuracy"]) == metrics["model"]["accuracy"] == accuracy < 0.97
        assert metrics["classes"][1]["recall"] == pytest.approx(expected[truth == 1].mean())
        assert metrics["decision"] == decision
        record = json.loads(min((fraud.workspace / "runs").glob("*.json")).read_text())
        assert (record["decision"], record["accuracy"]) == (TEXT, accuracy)
        assert TEXT in fraud.main("--history").stdout


class TestNewRows:
    def test_are_decided_alike_by_a_batch_and_by_a_champion(self, fraud: Checkout, s3: S3Client) -> None:
        bucket = fraud.environment["BUCKET_NAME"]
        scored = fraud.main(*RUN_BATCH, *DECISION, *NEW, "batch")
        trained = fraud.main(*TRAIN, *DECISION)
        # The champion knows how it decides.
        by_champion = fraud.main(*SCORE, *NEW, "champions")

        for run in (scored, trained, by_champion):
            assert run.exit_code == 0, run.stderr
        batch, other = (read_batch(s3, bucket, prefix) for prefix in ("batch", "champions"))
        model, decision = read_model(fraud)
        published = batch.published.merge(NEW_PAYMENTS, on="id", validate="1:1")
        assert len(published) == len(NEW_PAYMENTS)
        is_decided = predict_fraud(model, published) >= decision["threshold"]
        assert published["pred"].tolist() == is_decided.astype(int).tolist()
        assert other.published.equals(batch.published)
        assert batch.manifest["model"]["decision"] == other.manifest["model"]["decision"] == TEXT
        assert other.manifest["champion"] == read_champion(s3, bucket).pointer
        # The figures are those of the decided class.
        accuracy = float((published["pred"] == published["target"]).mean())
        for manifest in (batch.manifest, other.manifest):
            estimate = manifest["shift"]["estimated_accuracy"]
            assert estimate["low"] < accuracy < estimate["high"] < 0.97
            assert estimate["accuracy"] == pytest.approx(accuracy, abs=0.02)
            assert manifest["model"]["accuracy"] == read_newest(fraud, "metrics_*.json")["model"]["accuracy"]

        found = published["pred"][published["target"] == 1]
        assert len(found) > 150
        assert bound(int(found.sum()), len(found), "high") >= 0.9


class TestChange:
    def test_of_the_decision_trains_again_and_the_plan_says_so(
        self, fraud: Checkout, make_bucket: Callable[[], str], tmp_path: Path
    ) -> None:
        changed = fraud.copy(tmp_path / "changed", BUCKET_NAME=make_bucket())
        options = (*RUN, OPTION, "1>=0.2")
        plan = changed.main(*options, "--plan")
        assert plan.exit_code == 0, plan.stderr
        assert [line for line in plan.stdout.splitlines() if "TrainTask" in line and "decision" in line], plan.stdout
        run = changed.main(*options)
        assert (run.exit_code, run.tasks) == (0, CHAIN[3:]), run.stderr
        decision = read_newest(changed, "metrics_*.json")["decision"]
        assert decision == {"text": "1>=0.2", "class": 1, "threshold": 0.2}


class TestRefused:
    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("fraud:recall>=0.9", "the decision 'fraud:recall>=0.9' needs one of the classes 0, 1"),
            ("1:recall>0.9", "the decision '1:recall>0.9' cannot be read: give argmax, CLASS>=0.2, "),
            ("1:recall>=1.5", "the decision '1:recall>=1.5' needs a number above 0, and at most 1"),
        ],
    )
    def test_before_anything_runs(self, fraud: Checkout, text: str, problem: str) -> None:
        run = fraud.main(*RUN, OPTION, text)
        assert (run.exit_code, run.tasks) == (2, [])
        assert run.stderr.splitlines()[-1].startswith(f"error: {problem}")

    def test_with_the_best_that_can_be_reached(self, fraud: Checkout) -> None:
        weak = ("--gokart-pipeline-sample.TrainTask-num-boost-round", "1", OPTION, "1:precision>=0.9")
        run = fraud.main(*RUN, *weak)
        assert (run.exit_code, run.tasks) == (40, [])
        line = run.stderr.splitlines()[-1]
        assert line.startswith("error: TrainTask: ValueError: the decision '1:precision>=0.9' cannot be met: the v")
        assert "the validation rows promise a precision of 0." in line
