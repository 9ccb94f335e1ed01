"""A number as target: the body mass of the penguins, and tables that test each corner of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, read_batch
from support.checkout import CHAIN, PROJECT, Checkout, Run, make_environment
from support.numbers import INTERVAL, adopt, get_time, make_diabetes, read_newest, train_plainly
from typeguard import CollectionCheckStrategy, check_type

from gokart_pipeline_sample.pipeline.quality.metrics import NumberMetrics
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

pytestmark = pytest.mark.long

TABLE = "examples/penguins/penguins.csv"
PENGUINS = pd.read_csv(PROJECT / TABLE)
ADOPT = ("--new-table", TABLE, "--id", "id", "--target", "body_mass_g", "--name", "penguin", "--yes")
RUN = ("gokart_pipeline_sample.RunTask", "--local-scheduler")
RUN_NEST = ("gokart_pipeline_sample.RunNestTask", "--local-scheduler")
EVALUATE = ("gokart_pipeline_sample.EvaluatePublishedTask", "--local-scheduler", "--table")


@pytest.fixture(scope="module")
def masses(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project that has adopted the penguins' body mass and published once, with intervals."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("masses") / "checkout", environment)
    shutil.copytree(PROJECT / "examples" / "penguins", checkout.directory / "examples" / "penguins")
    adopted = checkout.main(*ADOPT)
    assert adopted.exit_code == 0, adopted.stderr
    assert "note: the target body_mass_g has 93 different values, so it is a number" in adopted.stdout
    run = checkout.main(*RUN, *INTERVAL)
    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    return checkout


def read_output(s3: S3Client, bucket: str) -> bytes:
    return s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read()


def read_frame(content: bytes) -> pd.DataFrame:
    return pd.read_csv(BytesIO(content), float_precision="round_trip")


def measure_mae(predicted: pd.DataFrame, truth: pd.DataFrame, target: str = "target") -> float:
    """Return the mean absolute error of predictions by id, directly."""
    joined = predicted.merge(truth, on="id", validate="1:1")
    assert len(joined) == len(predicted)
    return float((joined["pred"] - joined[target]).abs().mean())


class TestRun:
    def test_publishes_a_number_with_its_interval_and_the_metrics_tell_both(
        self, masses: Checkout, s3: S3Client
    ) -> None:
        answer = s3.get_object(Bucket=masses.environment["BUCKET_NAME"], Key="output.csv")
        output = read_frame(answer["Body"].read())
        metrics = read_newest(masses, "metrics_*.json")

        assert output.columns.tolist() == ["id", "pred", "pred_low", "pred_high"]
        assert (output.dtypes.iloc[1:] == "float64").all()
        check_type(metrics, NumberMetrics, collection_check_strategy=CollectionCheckStrategy.ALL_ITEMS)
        truth = output.merge(PENGUINS, on="id")["body_mass_g"]
        covered = float(((output["pred_low"] <= truth) & (truth <= output["pred_high"])).mean())
        assert (metrics["rows"], metrics["coverage"]) == (67, covered)
        assert covered > 0.75
        mae = measure_mae(output, PENGUINS, "body_mass_g")
        assert metrics["model"]["mae"] == pytest.approx(mae, rel=1e-12)
        assert answer["Metadata"]["rows"] == "67"
        assert float(answer["Metadata"]["mae"]) == metrics["model"]["mae"]
        assert 100 < mae < 0.6 * metrics["baseline"]["mae"]
        record = json.loads(min((masses.workspace / "runs").glob("*.json")).read_text())
        assert (record["mae"], record["accuracy"]) == (metrics["model"]["mae"], None)

    def test_publishes_only_the_number_unless_told(
        self, masses: Checkout, make_bucket: Callable[[], str], s3: S3Client, tmp_path: Path
    ) -> None:
        with_interval = read_output(s3, masses.environment["BUCKET_NAME"])
        bucket = make_bucket()
        run = masses.copy(tmp_path / "plain", BUCKET_NAME=bucket).main()

        assert run.exit_code == 0, run.stderr
        output = read_frame(read_output(s3, bucket))
        assert output.columns.tolist() == ["id", "pred"]
        assert output.equals(read_frame(with_interval)[["id", "pred"]])

    @pytest.mark.parametrize(
        ("task", "threads"), [pytest.param(RUN_NEST, "1", id="nested"), pytest.param(RUN, "2", id="two threads")]
    )
    def test_publishes_the_same_bytes_otherwise(
        self, task: tuple[str, ...], threads: str, masses: Checkout, make_bucket: Callable[[], str], s3: S3Client,
        tmp_path: Path,
    ) -> None:  # fmt: skip
        other = masses.copy(tmp_path / "other", BUCKET_NAME=make_bucket())
        shutil.rmtree(other.workspace)
        options = ("--workers", "2", "--gokart-pipeline-sample.TrainTask-threads", threads)
        run = other.main(*task, *INTERVAL, *options, OMP_NUM_THREADS=threads)

        assert run.exit_code == 0, run.stderr
        assert "TrainTask" in run.tasks
        outputs = [read_output(s3, each.environment["BUCKET_NAME"]) for each in (masses, other)]
        assert outputs[0] == outputs[1]

    def test_names_the_reasons(
        self, masses: Checkout, make_bucket: Callable[[], str], s3: S3Client, tmp_path: Path
    ) -> None:
        explained = masses.copy(tmp_path / "explained", BUCKET_NAME=make_bucket())
        run = explained.main(*RUN, *INTERVAL, "--with-reasons", "3")

        assert run.exit_code == 0, run.stderr
        outputs = [read_frame(read_output(s3, each.environment["BUCKET_NAME"])) for each in (masses, explained)]
        names = ["reason_1", "reason_2", "reason_3"]
        assert outputs[1].columns.tolist() == [*outputs[0].columns, *names]
        assert outputs[1][outputs[0].columns].equals(outputs[0])
        features = PENGUINS.columns.drop(["id", "body_mass_g"])
        assert set(outputs[1][names].stack().str.split(" ").str[0]) <= set(features)


class TestBatch:
    def test_gives_the_same_bits_by_each_engine_and_in_each_format(self, masses: Checkout, s3: S3Client) -> None:
        frames = {}
        for engine in ("lightgbm", "interpreted", "compiled"):
            for form in ("csv", "parquet"):
                run = score(masses, f"{engine}-{form}", "--output-format", form, engine=engine)
                assert "LightGBM predicts" not in run.stderr
                batch = read_batch(s3, masses.environment["BUCKET_NAME"], f"{engine}-{form}")
                frames[engine, form] = batch.published
                assert batch.manifest["model"]["mae"] == read_newest(masses, "metrics_*.json")["model"]["mae"]

        expected = frames["lightgbm", "csv"]
        assert expected.columns.tolist() == ["id", "pred", "pred_low", "pred_high"]
        assert expected["id"].tolist() == PENGUINS["id"].tolist()
        for frame in frames.values():
            for name in expected.columns[1:]:
                assert frame[name].to_numpy().tobytes() == expected[name].to_numpy().tobytes()
        model = lgb.Booster(model_str=max(masses.workspace.glob("TrainTask_*.txt"), key=get_time).read_text())
        features = PENGUINS.drop(columns=["id", "body_mass_g"])
        for name, values in zip(features.select_dtypes("str"), model.pandas_categorical or [], strict=True):
            features[name] = pd.Categorical(features[name], values)
        assert expected["pred"].to_numpy().tobytes() == np.asarray(model.predict(features)).tobytes()
        with_output = read_frame(read_output(s3, masses.environment["BUCKET_NAME"]))
        assert with_output.merge(expected)["id"].tolist() == with_output["id"].tolist()

    def test_names_the_reasons(self, masses: Checkout, s3: S3Client) -> None:
        score(masses, "reasons", "--with-reasons", "2")
        published = read_batch(s3, masses.environment["BUCKET_NAME"], "reasons").published
        assert published.columns.tolist() == ["id", "pred", "pred_low", "pred_high", "reason_1", "reason_2"]
        assert published["reason_1"].notna().all()

    def test_probabilities_are_refused(self, masses: Checkout) -> None:
        run = masses.main(*RUN_BATCH, "--table", TABLE, "--with-proba", "true")
        assert run.exit_code == 2
        assert run.stderr.splitlines()[-1].startswith("error: with_proba is about classes, and the target is a number")


class TestLateLabels:
    def test_tell_the_error_of_a_direct_computation(self, masses: Checkout, s3: S3Client) -> None:
        bucket = masses.environment["BUCKET_NAME"]
        score(masses, "judged", "--rows-per-part", "100")
        run = masses.main(*EVALUATE, TABLE, "--prefix", "judged")

        assert (run.exit_code, run.tasks) == (0, ["JoinTruthTask"]), run.stderr
        batch = read_batch(s3, bucket, "judged")
        folder = batch.manifest["parts"][0]["key"].rpartition("/")[0]
        evaluation = json.loads(s3.get_object(Bucket=bucket, Key=f"{folder}/evaluation.json")["Body"].read())
        assert evaluation["rows"] == len(PENGUINS)
        assert evaluation["mae"] == pytest.approx(measure_mae(batch.published, PENGUINS, "body_mass_g"), rel=1e-12)
        mae, low, high = evaluation["figures"]["mae"]
        assert low < mae == evaluation["mae"] < high
        assert evaluation["estimated"] == [*batch.manifest["shift"]["estimated_mae"].values()]
        assert evaluation["alarms"] == []
        record = json.loads(max((masses.workspace / "runs").glob("*.json")).read_text())
        assert (record["mae"], record["rows"]) == (evaluation["mae"], 333)


class TestAccuracy:
    def test_errs_no_more_than_a_plain_script(self, checkout: Checkout, bucket: str, s3: S3Client) -> None:
        table = make_diabetes()
        adopt(checkout, table)
        run = checkout.main(*RUN, *INTERVAL)

        assert run.exit_code == 0, run.stderr
        model, test = train_plainly(table)
        expected = test[["id"]].assign(pred=np.asarray(model.predict(test.drop(columns=["id", "target"]))))
        mae = measure_mae(expected, table)
        metrics = read_newest(checkout, "metrics_*.json")
        assert metrics["model"]["mae"] <= 1.02 * mae
        assert metrics["model"]["mae"] < 0.8 * metrics["baseline"]["mae"]
        output = read_frame(read_output(s3, bucket))
        assert output["id"].tolist() == expected["id"].tolist()
        # The very same model, even.
        assert output["pred"].to_numpy().tobytes() == expected["pred"].to_numpy().tobytes()


def score(checkout: Checkout, prefix: str, *options: str, engine: str = "auto") -> Run:
    chosen = ("--prefix", prefix, "--gokart-pipeline-sample.ScoreTableTask-engine", engine)
    cache = str(checkout.directory / "cache")
    run = checkout.main(*RUN_BATCH, *INTERVAL, "--table", TABLE, *chosen, *options, XDG_CACHE_HOME=cache)
    assert run.exit_code == 0, run.stderr
    assert run.tasks[-2:] == BATCH_CHAIN[-2:]
    return run
