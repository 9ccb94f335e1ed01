"""A number as target: the body mass of the penguins, and tables that test each corner of it."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, read_batch
from support.champion import SCORE, TRAIN, read_champion, use_noisy_table
from support.checkout import CHAIN, PROJECT, Checkout, Run, make_environment
from support.dask_cluster import clustering
from support.numbers import INTERVAL, adopt, get_time, make_diabetes, make_numbers, read_newest, train_plainly
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


def read_json(path: Path) -> Any:
    return json.loads(path.read_bytes())


def with_outlier(row: int) -> pd.DataFrame:
    """Make numbers, one of which is beyond all others."""
    data = make_numbers()
    data.loc[row, "target"] = 1e300
    return data


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


class TestCluster:
    def test_scores_the_same_bytes(self, masses: Checkout, s3: S3Client) -> None:
        options = ("--rows-per-part", "100", "--with-reasons", "2")
        score(masses, "alone", *options)
        with clustering(masses) as cluster:
            cluster.have_workers(2)
            address = ("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", cluster.address)
            score(masses, "cluster", *options, *address)

        alone, scored = (
            read_batch(s3, masses.environment["BUCKET_NAME"], prefix).manifest for prefix in ("alone", "cluster")
        )
        assert [part["sha256"] for part in scored["parts"]] == [part["sha256"] for part in alone["parts"]]
        assert len(alone["parts"]) == 4
        assert scored["shift"] == alone["shift"]

    def test_trains_as_well_as_one_machine(self, checkout: Checkout, bucket: str, s3: S3Client) -> None:
        data = make_numbers(3_000)
        adopt(checkout, data)
        s3.upload_file(str(checkout.directory / "numbers.parquet"), bucket, "table/numbers.parquet")
        pieces = "gokart_pipeline_sample/pipeline/distributed/train_ranks.py"
        checkout.edit(pieces, "PIECE_ROWS = 250_000", "PIECE_ROWS = 500")
        with clustering(checkout) as cluster:
            cluster.have_workers(2)
            address = ("--gokart-pipeline-sample.ScoreTableTask-dask-scheduler", cluster.address)
            table = ("--table", f"s3://{bucket}/table/")
            run = checkout.main("RunDistributedTask", *table, *address, *INTERVAL, "--with-reasons", "2")

        assert run.exit_code == 0, run.stderr
        output = read_frame(read_output(s3, bucket))
        assert output.columns.tolist() == ["id", "pred", "pred_low", "pred_high", "reason_1", "reason_2"]
        model, test = train_plainly(data)
        alone = np.abs(np.asarray(model.predict(test[["x0", "x1", "x2"]])) - test["target"]).mean()
        assert measure_mae(output, data) == pytest.approx(alone, rel=0.1)
        truth = output.merge(data, on="id")["target"]
        assert ((output["pred_low"] <= truth) & (truth <= output["pred_high"])).mean() == pytest.approx(0.9, abs=0.05)


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
        header, *lines = masses.main("--history").stdout.splitlines()
        assert header.split()[:4] == ["when", "verdict", "mae", "estimated"]
        (shown,) = (line.split() for line in lines if line.endswith("evaluation.json"))
        assert shown[3:5] == [f"{evaluation['mae']:.4g}", f"{evaluation['estimated'][0]:.4g}"]


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


@pytest.fixture(scope="module")
def numbers_once(
    server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Checkout:
    """A project that has adopted made-up numbers, and chosen a first champion."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("numbers") / "checkout", environment)
    adopt(checkout, make_numbers())
    run = checkout.main(*TRAIN)
    assert run.exit_code == 0, run.stderr
    return checkout


@pytest.fixture
def numbers(numbers_once: Checkout, tmp_path: Path) -> Checkout:
    return numbers_once.copy(tmp_path / "numbers")


def last_line(run: Run) -> str:
    return run.stderr.splitlines()[-1]


class TestGate:
    @pytest.mark.parametrize(
        ("options", "code", "line"),
        [
            (
                ("--require-acc", "0.9"),
                2,
                "require_acc is about classes, and the target is a number: set require=mae<baseline",
            ),
            (
                ("--gokart-pipeline-sample.TrainTask-objective", "multiclass"),
                2,
                "the objective 'multiclass' does not fit the target: give regression or regression_l1 or ",
            ),
            (
                ("--gokart-pipeline-sample.PredTask-decision", "1>=0.5"),
                2,
                "the decision '1>=0.5' needs one of the classes (there are none)",
            ),
            (
                ("--gokart-pipeline-sample.TrainTask-class-weight", "balanced"),
                40,
                "TrainTask: class_weight is about classes, and the target is a number: set it to none",
            ),
            (
                (
                    *("--gokart-pipeline-sample.TrainTask-objective", "quantile"),
                    *("--gokart-pipeline-sample.TrainTask-lightgbm", '{"alpha": 0}'),
                ),
                40,
                "TrainTask: LightGBM refuses a parameter of TrainTask: it needs (alpha) > (0.0)",
            ),
            (
                ("--gokart-pipeline-sample.CheckAccuracyTask-require", "r2>0.999, mae<0.1*baseline"),
                40,
                "CheckAccuracyTask: r2>0.999 is required and it is 0.",
            ),
        ],
    )
    def test_refuses_what_does_not_fit(self, numbers: Checkout, options: tuple[str, ...], code: int, line: str) -> None:
        run = numbers.main(*RUN, *options)
        assert run.exit_code == code
        assert last_line(run).startswith(f"error: {line}")
        assert "UploadS3Task" not in run.tasks

    @pytest.mark.parametrize(
        ("data", "options", "line"),
        [
            pytest.param(
                make_numbers().assign(target=np.random.default_rng(3).normal(size=400)),
                (),
                "CheckAccuracyTask: the mae 0.",
                id="noise",
            ),
            pytest.param(
                make_numbers().assign(target=lambda data: data["target"] - 20),
                ("--gokart-pipeline-sample.TrainTask-objective", "poisson"),
                "TrainTask: ValueError: 139 of 256 rows have a target that the objective poisson cannot take: ",
                id="negative counts",
            ),
            pytest.param(
                make_numbers().assign(target=7.5),
                (),
                "LoadDataTask: ValueError: the table has 400 rows of the numbers [7.5]: give at least two numbers",
                id="constant",
            ),
            pytest.param(
                make_numbers(10),
                (),
                "TrainTask: ValueError: no feature splits the 6 training rows, 20 to a side: add features or rows",
                id="ten rows",
            ),
            # The one row is a test row or a training row.
            pytest.param(with_outlier(5), (), "CheckAccuracyTask: mae<baseline is required and it is ", id="outlier"),
            pytest.param(
                with_outlier(6),
                (),
                "TrainTask: ValueError: 1 of 256 rows have a target that the objective regression cannot take: it tak",
                id="outlier in training",
            ),
        ],
    )
    def test_refuses_tables(self, numbers: Checkout, data: pd.DataFrame, options: tuple[str, ...], line: str) -> None:
        data.to_parquet(numbers.directory / "numbers.parquet", index=False)
        run = numbers.main(*RUN, *options)
        assert run.exit_code == 40
        assert last_line(run).startswith(f"error: {line}")

    def test_refuses_whole_numbers_as_text(self, numbers: Checkout) -> None:
        schema = "gokart_pipeline_sample/pipeline/schemas/numbers_feature.py"
        numbers.edit(schema, "target: Series[float]", "target: Series[str]")
        run = numbers.main(*RUN)
        assert run.exit_code == 2
        assert last_line(run) == (
            "error: the schema NumbersFeatureSchema: the target target needs an isin, which lists the classes"
        )


class TestChampion:
    def test_is_kept_or_replaced_by_its_error(self, numbers: Checkout, s3: S3Client) -> None:
        bucket = numbers.environment["BUCKET_NAME"]
        first = read_champion(s3, bucket)
        assert first.pointer["decision"] == "promoted: there was no champion"
        mae = first.document["mae"]

        worse = numbers.main(*TRAIN, "--gokart-pipeline-sample.TrainTask-num-boost-round", "40")
        assert worse.exit_code == 0, worse.stderr
        decision = read_champion(s3, bucket).pointer["decision"]
        (new,) = (
            each["model"]["mae"] for each in map(read_json, numbers.workspace.glob("metrics_*.json"))
            if each["model"]["mae"] != mae
        )  # fmt: skip
        assert decision.startswith(f"kept: the mae would change by {new - mae:+.4f} (95% interval +")
        assert decision.endswith(f"and the margin is {0.01 * mae:.4g}")

        other = numbers.main(*TRAIN, "--gokart-pipeline-sample.TrainTask-seed", "3", "--margin", "0.9")
        assert other.exit_code == 0, other.stderr
        second = read_champion(s3, bucket)
        change = second.document["mae"] - mae
        assert second.pointer["decision"].startswith(f"promoted: the mae changes by {change:+.4f} (95% interval +")
        assert second.pointer["previous"] == first.pointer["champion"]

        rows = make_numbers(300, seed=4)
        rows.drop(columns="target").to_csv(numbers.directory / "new.csv", index=False)
        scored = numbers.main("gokart_pipeline_sample.ScoreChampionTask", "--local-scheduler", "--table", "new.csv")
        assert (scored.exit_code, scored.tasks) == (0, BATCH_CHAIN), scored.stderr
        batch = read_batch(s3, bucket)
        features = rows[["x0", "x1", "x2"]]
        assert batch.published["pred"].tolist() == np.asarray(second.model.predict(features)).tolist()
        estimate = batch.manifest["shift"]["estimated_mae"]
        assert estimate["low"] < measure_mae(batch.published, rows) < estimate["high"]

    def test_of_classes_is_never_compared_with_a_number(self, checkout: Checkout, bucket: str, s3: S3Client) -> None:
        use_noisy_table(checkout)
        assert checkout.main(*TRAIN).exit_code == 0
        of_classes = read_champion(s3, bucket)
        # As a version wrote it that knew no lookups.
        old = {name: value for name, value in of_classes.document.items() if name != "lookups"}
        content = json.dumps(old).encode()
        metadata = {"sha256": hashlib.sha256(content).hexdigest()}
        key = of_classes.pointer["champion"]
        s3.put_object(Bucket=bucket, Key=key, Body=content, Metadata=metadata, ChecksumAlgorithm="SHA256")
        scored = checkout.main(*SCORE)
        assert scored.exit_code == 0, scored.stderr

        checkout.edit("conf/param.ini", "require_acc=0.2\n", "")
        adopt(checkout, make_numbers())
        run = checkout.main(*TRAIN)
        assert run.exit_code == 0, run.stderr
        now = read_champion(s3, bucket)
        reason = "the champion cannot predict any more, because the preprocessing has changed"
        assert now.pointer["decision"] == f"promoted: {reason}"
        assert now.pointer["previous"] == of_classes.pointer["champion"]
        assert ("mae" in now.document, "accuracy" in now.document) == (True, False)
        for path in (checkout.workspace / "runs").glob("*.json"):
            record = read_json(path)
            if record["accuracy"] is not None:
                path.write_text(json.dumps({name: record[name] for name in record if name not in ("mae", "decision")}))
        history = checkout.main("--history")
        assert (history.exit_code, history.stderr) == (0, "")
        assert history.stdout.count("/champion.json") == 2
        assert f" {of_classes.document['accuracy']:.4f} " in history.stdout
        assert f" {now.document['mae']:.4g} " in history.stdout
        shown = checkout.main("--champion")
        assert shown.exit_code == 0, shown.stderr
        states = {line.split()[0]: line.split()[3] for line in shown.stdout.splitlines()[:2]}
        assert states == {now.name: "mae", of_classes.name: "accuracy"}


def score(checkout: Checkout, prefix: str, *options: str, engine: str = "auto") -> Run:
    chosen = ("--prefix", prefix, "--gokart-pipeline-sample.ScoreTableTask-engine", engine)
    cache = str(checkout.directory / "cache")
    run = checkout.main(*RUN_BATCH, *INTERVAL, "--table", TABLE, *chosen, *options, XDG_CACHE_HOME=cache)
    assert run.exit_code == 0, run.stderr
    assert run.tasks[-2:] == BATCH_CHAIN[-2:]
    return run
