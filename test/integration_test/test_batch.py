"""New rows are scored and published as a batch that readers can trust."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import lightgbm as lgb
import numpy as np
import pandas as pd
import pyarrow.dataset
import pyarrow.fs
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, make_flowers, read_batch, read_objects, take_objects
from support.checkout import CHAIN, Checkout, Run
from support.recording_proxy import RecordingProxy

from gokart_pipeline_sample.io.tables.table import read_iris
from gokart_pipeline_sample.pipeline.model.model_input import encode_features
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

FLOWERS = make_flowers(10)
Objects: TypeAlias = dict[str, tuple[bytes, dict[str, str]]]
PROBABILITIES = ["probability_0", "probability_1", "probability_2"]


@pytest.fixture(scope="module")
def published_once(published_once: Checkout, tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """What has published once has trained the model of a batch, too: that spares each test the training."""
    trained = published_once.copy(tmp_path_factory.mktemp("trained") / "checkout")
    key = ("--gokart-pipeline-sample.UploadS3Task-key", "nested.csv")
    run = trained.main("gokart_pipeline_sample.RunNestTask", "--local-scheduler", *key)
    assert run.exit_code == 0, run.stderr
    return trained


@pytest.fixture
def table(published: Checkout) -> Path:
    path = published.directory / "flowers.parquet"
    FLOWERS.to_parquet(path, index=False)
    return path


def score(checkout: Checkout, table: Path | str, *options: str, **variables: str) -> Run:
    return checkout.main(*RUN_BATCH, "--table", str(table), *options, **variables)


def predict_in_one_go(checkout: Checkout) -> np.ndarray:
    model = next(checkout.workspace.glob("TrainTask_*.txt"))
    features = encode_features(PreprocessedSchema, PreprocessTask.preprocess(FLOWERS))
    return lgb.Booster(model_file=model).predict(features)


class TestPublication:
    @pytest.mark.parametrize("file_format", ["csv", "parquet"])
    def test_publishes_what_scoring_in_one_go_gives(
        self, file_format: str, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        options = ["--output-format", file_format, "--with-proba", "true", "--rows-per-part", "4"]
        run = score(published, table, *options)

        assert run.exit_code == 0, run.stderr
        assert [task for task in run.tasks if task in BATCH_CHAIN] == BATCH_CHAIN
        batch = read_batch(s3, bucket)
        assert [part["rows"] for part in batch.manifest["parts"]] == [4, 4, 2]
        assert batch.published["id"].tolist() == FLOWERS["id"].tolist()
        expected = predict_in_one_go(published)
        assert (batch.published[PROBABILITIES].to_numpy() == expected).all()
        assert batch.published["pred"].tolist() == expected.argmax(axis=1).tolist()

    def test_publishes_class_and_id_alone_unless_told_otherwise(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        assert score(published, table, "--prefix", "/daily/scores/").exit_code == 0

        batch = read_batch(s3, bucket, prefix="daily/scores")
        assert batch.published.columns.tolist() == ["id", "pred"]

    def test_tells_where_it_comes_from_and_where_it_is(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        run = score(published, table)

        manifest = read_batch(s3, bucket).manifest
        checked = next(published.workspace.glob("CheckAccuracyTask_*.parquet"))
        assert manifest["model"]["accuracy"] == pd.read_parquet(checked).attrs["accuracy"]
        assert list(published.workspace.glob(f"TrainTask_{manifest['model']['unique_id']}.txt"))
        assert len(manifest["table"]["fingerprint"]) == 64
        estimated = manifest["shift"]["estimated_accuracy"]
        alarms = json.loads(s3.get_object(Bucket=bucket, Key="batch/latest.json")["Body"].read())["alarms"]
        assert run.stdout.splitlines()[1:] == [
            "rows       10",
            "share      1.0",
            "rejected   0",
            "parts      1",
            "estimated  {accuracy:.4f} ({low:.4f} to {high:.4f})".format(**estimated),
            f"alarms     {len(alarms)}: {'; '.join(alarms)}",
            f"published  s3://{bucket}/batch/latest.json",
            f"fetch      {published.command} --fetch s3://{bucket}/batch/latest.json",
        ]

    def test_is_read_by_other_libraries(
        self, published: Checkout, table: Path, bucket: str, server: EmbeddedS3
    ) -> None:
        assert score(published, table, "--output-format", "parquet", "--rows-per-part", "4").exit_code == 0

        key_id, secret = server.access_key()
        system = pyarrow.fs.S3FileSystem(
            access_key=key_id, secret_key=secret, endpoint_override=server.endpoint, region="us-east-1"
        )
        pointer = json.loads(system.open_input_file(f"{bucket}/batch/latest.json").read())
        manifest = json.loads(system.open_input_file(f"{bucket}/{pointer['manifest']}").read())
        parts = [f"{bucket}/{part['key']}" for part in manifest["parts"]]
        read = pyarrow.dataset.dataset(parts, filesystem=system).to_table()
        assert read["id"].to_pylist() == FLOWERS["id"].tolist()


@pytest.mark.long
class TestWhatRunsAgain:
    def test_a_batch_that_is_up_to_date_is_looked_at_only(
        self, published: Checkout, table: Path, proxy: RecordingProxy
    ) -> None:
        assert score(published, table, "--rows-per-part", "4").exit_code == 0
        table.touch()
        run = score(published, table, "--rows-per-part", "4", AWS_ENDPOINT_URL=proxy.endpoint)

        assert (run.exit_code, run.tasks) == (0, [])
        assert proxy.count("PUT") == 0
        # The pointer, the parts that are there, the manifest; and manifest and pointer again, for the summary.
        assert [method for method, _ in proxy.requests] == ["HEAD", "GET", "GET", "GET", "GET"]

    def test_a_manifest_that_was_damaged_is_put_again(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        assert score(published, table).exit_code == 0
        before = read_objects(s3, bucket)
        (key,) = (key for key in before if key.endswith("manifest.json"))
        for content in (b"", b"{}", b"[1]", b"garbage"):
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            run = score(published, table)
            assert (content, run.exit_code, run.tasks) == (content, 0, ["ScoreTableTask"])
            assert read_objects(s3, bucket) == before

    def test_rejected_rows_that_were_deleted_are_put_again(
        self, published: Checkout, bucket: str, s3: S3Client
    ) -> None:
        table = published.directory / "bad.csv"
        FLOWERS.assign(petal_width=[-1.0, *range(1, 10)]).to_csv(table, index=False)
        options = ["--on-bad-row", "reject", "--max-rejected-share", "0.5"]
        assert score(published, table, *options).exit_code == 0
        before = read_objects(s3, bucket)
        s3.delete_object(Bucket=bucket, Key=read_batch(s3, bucket).manifest["rejected"][0]["key"])
        assert score(published, table, *options).exit_code == 0
        assert read_objects(s3, bucket) == before

    def test_a_part_that_was_deleted_is_put_again(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        assert score(published, table, "--rows-per-part", "4").exit_code == 0
        before = read_objects(s3, bucket)
        second = read_batch(s3, bucket).manifest["parts"][1]["key"]
        s3.delete_object(Bucket=bucket, Key=second)
        run = score(published, table, "--rows-per-part", "4", AWS_ENDPOINT_URL=proxy.endpoint)

        assert (run.exit_code, run.tasks) == (0, ["ScoreTableTask"])
        assert read_objects(s3, bucket) == before
        folder, _, name = second.rpartition("/")
        puts = [path for method, path in proxy.requests if method == "PUT"]
        assert puts == [f"/{bucket}/{folder}/{key}" for key in (name, "figures/00000.json", "manifest.json")]

    def test_a_part_with_another_content_of_the_same_size_is_put_again(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        assert score(published, table, "--rows-per-part", "4").exit_code == 0
        before = read_objects(s3, bucket)
        key = read_batch(s3, bucket).manifest["parts"][1]["key"]
        content, metadata = before[key]
        s3.put_object(Bucket=bucket, Key=key, Body=content[::-1], Metadata=metadata, ChecksumAlgorithm="SHA256")
        run = score(published, table, "--rows-per-part", "4")

        assert (run.exit_code, run.tasks) == (0, ["ScoreTableTask"])
        assert read_objects(s3, bucket) == before

    def test_a_manifest_with_other_parts_is_put_again(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        assert score(published, table, "--rows-per-part", "4").exit_code == 0
        before = read_objects(s3, bucket)
        (key,) = (key for key in before if key.endswith("manifest.json"))
        manifest = json.loads(before[key][0])
        manifest["parts"].pop()
        s3.put_object(Bucket=bucket, Key=key, Body=json.dumps(manifest).encode(), Metadata=before[key][1])
        assert score(published, table, "--rows-per-part", "4").exit_code == 0
        assert read_objects(s3, bucket) == before

    def test_the_older_of_two_batches_is_pointed_to_again(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        newer = published.directory / "newer.csv"
        make_flowers(3).to_csv(newer, index=False)
        for some, rows in ((table, 10), (newer, 3), (table, 10)):
            run = score(published, some)
            assert run.exit_code == 0
            assert read_batch(s3, bucket).manifest["rows_in"] == rows
        assert run.tasks == ["PublishBatchTask"]

    def test_a_stricter_gate_is_asked_and_nothing_is_scored_again(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        assert score(published, table).exit_code == 0
        batch = read_batch(s3, bucket).manifest

        stricter = score(published, table, "--require-acc", "0.95")
        assert (stricter.exit_code, stricter.tasks) == (0, ["CheckAccuracyTask", "PublishBatchTask"])
        too_strict = score(published, table, "--require-acc", "1.0")
        assert too_strict.exit_code == 40
        assert too_strict.tasks == []
        assert read_batch(s3, bucket).manifest == batch

    def test_other_content_of_the_same_name_is_scored(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        assert score(published, table).exit_code == 0
        make_flowers(4).to_parquet(table, index=False)
        run = score(published, table)

        assert (run.exit_code, run.tasks) == (0, BATCH_CHAIN)
        assert read_batch(s3, bucket).manifest["rows_in"] == 4


class TestGate:
    def test_nothing_is_put_if_the_model_is_not_good_enough(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        before = read_objects(s3, bucket)
        run = score(published, table, "--require-acc", "1.0")

        assert run.exit_code == 40
        assert run.stderr.splitlines()[-1].startswith("error: CheckAccuracyTask: the accuracy 1.0 does not exceed")
        assert read_objects(s3, bucket) == before


class TestBadRows:
    @pytest.fixture
    def bad_table(self, published: Checkout) -> Path:
        """Row 2 breaks a check, 5 has no number, 3 and 8 have one id, and 7 none."""
        path = published.directory / "bad.csv"
        rows = FLOWERS.astype("str")
        rows.loc[2, "petal_width"] = "-1.0"
        rows.loc[5, "sepal_length"] = "5,1"
        rows.loc[8, "id"] = "3"
        rows.loc[7, "id"] = ""
        rows.to_csv(path, index=False, quoting=csv.QUOTE_MINIMAL)
        return path

    def test_fail_the_run_with_counts_and_ids(
        self, published: Checkout, bad_table: Path, bucket: str, s3: S3Client
    ) -> None:
        before = read_objects(s3, bucket)
        run = score(published, bad_table, "--rows-per-part", "4")

        assert run.exit_code == 40
        last_line = run.stderr.splitlines()[-1]
        assert last_line.startswith("error: GuardTableTask: 5 of 10 rows break IrisFeatureSchema")
        assert "sepal_length breaks dtype('float64') in 1 rows, the first of them with id [5]" in last_line
        assert "with id [5] and the values ['5,1'] (decimal comma)" in last_line
        assert "id breaks field_uniqueness in 2 rows, the first of them with id [3, 3]" in last_line
        assert "petal_width breaks greater_than(0) in 1 rows, the first of them with id [2]" in last_line
        assert read_objects(s3, bucket) == before

    def test_are_put_beside_with_the_reason(
        self, published: Checkout, bad_table: Path, bucket: str, s3: S3Client
    ) -> None:
        options = ["--on-bad-row", "reject", "--max-rejected-share", "0.5", "--rows-per-part", "4"]
        run = score(published, bad_table, *options)

        assert run.exit_code == 0, run.stderr
        batch = read_batch(s3, bucket)
        assert batch.published["id"].tolist() == [0, 1, 4, 6, 9]
        assert [(part["rows"]) for part in batch.manifest["rejected"]] == [2, 2, 1]
        assert all("/rejected/part-" in part["key"] for part in batch.manifest["rejected"])
        assert batch.rejected["reason"].tolist() == [
            "petal_width breaks greater_than(0)",
            "id breaks field_uniqueness",
            "sepal_length breaks dtype('float64')",
            "id breaks not_nullable",
            "id breaks field_uniqueness",
        ]
        assert batch.rejected["petal_width"].astype(str)[0] == "-1.0"
        assert batch.rejected["sepal_length"][2] == "5,1"

    def test_are_published_as_they_are_written(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        header = ",".join(FLOWERS.columns)
        (published.directory / "bad.csv").write_text(f'{header}\n00001,1e400, 7 ,"1",0.20\n00002,5,3,1,.2\n')
        options = ["--on-bad-row", "reject", "--max-rejected-share", "0.5"]
        mark = ("--gokart-pipeline-sample.UploadS3Task-bom", "true")
        run = score(published, published.directory / "bad.csv", *options, *mark)

        assert run.exit_code == 0, run.stderr
        manifest = read_batch(s3, bucket).manifest
        rejected, scored = (
            s3.get_object(Bucket=bucket, Key=manifest[kind][0]["key"])["Body"].read().decode()
            for kind in ("rejected", "parts")
        )
        assert rejected == f'\ufeff{header},reason\n"00001","1e400"," 7 ","1","0.20","sepal_length breaks finite"\n'
        assert scored.startswith("\ufeffid,pred\n2,")

    def test_fail_the_run_if_they_are_too_many(self, published: Checkout, bad_table: Path) -> None:
        run = score(published, bad_table, "--on-bad-row", "reject", "--max-rejected-share", "0.4")

        assert run.exit_code == 40
        assert (
            "5 of 10 rows break IrisFeatureSchema, a share of 0.4 is allowed (see on_bad_row)"
            in run.stderr.splitlines()[-1]
        )


def to_csv(data: pd.DataFrame, **options: str) -> str:
    return data.to_csv(index=False, **options)


@pytest.mark.long
class TestTables:
    @pytest.mark.parametrize(
        ("content", "rows"),
        [
            pytest.param(to_csv(FLOWERS[:0]), [0], id="no rows"),
            pytest.param(to_csv(FLOWERS[:1]), [1], id="one row"),
            pytest.param(to_csv(FLOWERS[:4]), [4], id="one part exactly"),
            pytest.param(to_csv(FLOWERS[:9]), [4, 4, 1], id="a last part of one row"),
            pytest.param("\ufeff" + to_csv(FLOWERS.assign(note="two\nlines")), [4, 4, 2], id="mark and newlines"),
        ],
    )
    def test_are_scored(self, content: str, rows: list[int], published: Checkout, bucket: str, s3: S3Client) -> None:
        path = published.directory / "table.csv"
        path.write_bytes(content.encode())
        run = score(published, path, "--rows-per-part", "4", "--min-rows", "0")

        assert run.exit_code == 0, run.stderr
        batch = read_batch(s3, bucket)
        assert [part["rows"] for part in batch.manifest["parts"]] == rows
        assert batch.published["id"].tolist() == FLOWERS["id"][: sum(rows)].tolist()
        assert batch.published.columns.tolist() == ["id", "pred"]

    def test_are_scored_in_more_files_than_may_be_open(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        folder = published.directory / "tables"
        folder.mkdir()
        header, *lines = to_csv(make_flowers(2_000)).splitlines()
        for number, line in enumerate(lines):
            (folder / f"{number:05}.csv").write_text(f"{header}\n{line}\n")
        run = score(published, folder)

        assert run.exit_code == 0, run.stderr
        assert read_batch(s3, bucket).published["id"].tolist() == list(range(2_000))

    def test_are_read_from_s3(self, published: Checkout, bucket: str, s3: S3Client, proxy: RecordingProxy) -> None:
        s3.put_object(Bucket=bucket, Key="in/1.csv.gz", Body=gzip.compress(to_csv(FLOWERS[:4]).encode()))
        s3.put_object(Bucket=bucket, Key="in/2.parquet", Body=FLOWERS[4:].to_parquet(index=False))
        s3.put_object(Bucket=bucket, Key="in/_SUCCESS", Body=b"")
        s3.put_object(Bucket=bucket, Key="in/", Body=b"")
        s3.put_object(Bucket=bucket, Key="in-between.csv", Body=b"another table")

        assert score(published, f"s3://{bucket}/in").exit_code == 0
        assert read_batch(s3, bucket).published["id"].tolist() == FLOWERS["id"].tolist()
        again = score(published, f"s3://{bucket}/in/", AWS_ENDPOINT_URL=proxy.endpoint)
        assert (again.exit_code, again.tasks) == (0, [])
        # One more than for a table that is here: the table's listing.
        assert [method for method, _ in proxy.requests] == ["GET", "HEAD", "GET", "GET", "GET", "GET"]
        single = score(published, f"s3://{bucket}/in/2.parquet")
        assert (single.exit_code, read_batch(s3, bucket).manifest["rows_in"]) == (0, 6)

    def test_train_the_model_too(
        self, published: Checkout, published_once: Checkout, bucket: str, s3: S3Client
    ) -> None:
        labelled = read_iris().assign(note="dropped")
        s3.put_object(Bucket=bucket, Key="iris.csv", Body=to_csv(labelled).encode())
        train_on = "--gokart-pipeline-sample.LoadDataTask-table"

        run = published.main(train_on, f"s3://{bucket}/iris.csv")

        assert run.exit_code == 0, run.stderr
        assert run.tasks == CHAIN
        of_our_table, of_iris = (
            s3.get_object(Bucket=some.environment["BUCKET_NAME"], Key="output.csv")["Body"].read()
            for some in (published, published_once)
        )
        assert of_our_table == of_iris

    @pytest.mark.parametrize(
        ("name", "content", "exit_code", "last_line"),
        [
            pytest.param(
                "table.csv",
                to_csv(FLOWERS.assign(petal_width=None)).encode(),
                40,
                "GuardTableTask: 10 of 10 rows break IrisFeatureSchema, a share of 0 is allowed (see on_bad_row): "
                "petal_width breaks not_nullable in 10 rows, the first of them with id [0, 1, 2, 3, 4]",
                id="a column of nulls",
            ),
            pytest.param(
                "table.csv",
                to_csv(FLOWERS.assign(id=[7, *range(9)])).encode(),
                40,
                "GuardTableTask: 2 of 10 rows break IrisFeatureSchema, a share of 0 is allowed (see on_bad_row): "
                "id breaks field_uniqueness in 2 rows, the first of them with id [7, 7]",
                id="duplicate ids",
            ),
            pytest.param(
                "table.parquet",
                FLOWERS.to_parquet(index=False)[:-100],
                40,
                "GuardTableTask: {path}: it cannot be read: ",
                id="a truncated Parquet file",
            ),
            pytest.param(
                "table.parquet",
                FLOWERS.astype({"petal_width": "str"}).to_parquet(index=False),
                40,
                "GuardTableTask: {path}: the column petal_width is large_string instead of double",
                id="text that looks like numbers",
            ),
            pytest.param(
                "table.csv",
                to_csv(FLOWERS.drop(columns=["petal_width", "sepal_width"])).encode(),
                40,
                "GuardTableTask: {path}: columns are missing (sepal_width, petal_width)",
                id="columns that are missing",
            ),
            pytest.param("table.xlsx", b"?", 40, "GuardTableTask: {path}: its format is told by its name", id="xlsx"),
        ],
    )
    def test_fail_with_one_clear_line(
        self, name: str, content: bytes, exit_code: int, last_line: str, published: Checkout
    ) -> None:
        path = published.directory / name
        path.write_bytes(content)
        run = score(published, path)

        assert run.exit_code == exit_code
        assert run.stderr.splitlines()[-1].startswith("error: " + last_line.format(path=path))

    def test_that_change_while_they_are_scored_are_not_mixed(
        self, published: Checkout, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        path = published.directory / "table.parquet"
        options = ["--rows-per-part", "10", "--output-format", "parquet"]
        FLOWERS.sample(100, replace=True, random_state=1).assign(id=range(100)).to_parquet(
            path, index=False, row_group_size=10
        )
        before = path.read_bytes(), path.stat().st_mtime_ns

        def change(method: str, _: str) -> None:
            if method == "PUT":
                proxy.before = lambda *_: None
                make_flowers(100).to_parquet(path, index=False, row_group_size=10)

        proxy.before = change
        run = score(published, path, *options, AWS_ENDPOINT_URL=proxy.endpoint)
        assert run.exit_code == 40
        assert run.stderr.splitlines()[-1] == (
            f"error: ScoreTableTask: {path}: it has changed while it was read: run again"
        )
        path.write_bytes(before[0])
        assert score(published, path, *options).exit_code == 0
        resumed = read_batch(s3, bucket).published
        assert score(published, path, "--prefix", "again").exit_code == 0
        assert resumed["pred"].tolist() == read_batch(s3, bucket, "again").published["pred"].tolist()

    @pytest.mark.parametrize(
        ("uri", "last_line"),
        [
            (
                "/not/there.csv",
                "error: the table /not/there.csv cannot be read (/not/there.csv: No such file or directory): correct",
            ),
            ("s3://not-there/x.csv", "error: s3://not-there/x.csv: S3 refuses to list it: correct its path or URI"),
            ("s3://{bucket}/x.csv", "error: the table s3://{bucket}/x.csv has no files: correct its path or URI"),
        ],
    )
    def test_that_are_not_there_fail_before_anything_runs(
        self, uri: str, last_line: str, published: Checkout, bucket: str
    ) -> None:
        run = score(published, uri.format(bucket=bucket))

        assert (run.exit_code, run.tasks) == (2, [])
        assert run.stderr.splitlines()[-1].startswith(last_line.format(bucket=bucket))

    def test_are_read_as_the_options_and_the_folders_say(
        self, published: Checkout, table: Path, bucket: str, s3: S3Client
    ) -> None:
        folder = published.directory / "tables"
        for width, rows in FLOWERS.groupby("petal_width", sort=False):
            part = folder / f"petal_width={width}" / "part-0.csv"
            part.parent.mkdir(parents=True)
            text = to_csv(rows.drop(columns="petal_width").assign(産地="東京"), sep=";", decimal=",")
            part.write_text(text, encoding="cp932")
        assert score(published, table).exit_code == 0
        expected = read_batch(s3, bucket).published.sort_values("id")

        refused = score(published, folder, "--prefix", "refused")
        assert refused.exit_code == 40
        assert refused.stderr.splitlines()[-1].endswith(
            "cp932 reads it, and UTF-8 does not: set encoding=cp932 beside table"
        )
        options = ("--encoding", "cp932", "--delimiter", ";", "--decimal", ",", "--prefix", "other")
        run = score(published, folder, *options)
        assert run.exit_code == 0, run.stderr
        read = read_batch(s3, bucket, "other").published.sort_values("id")
        assert read["id"].tolist() == FLOWERS["id"].tolist()
        assert read["pred"].tolist() == expected["pred"].tolist()

    def test_of_which_one_file_has_another_schema_name_it(self, published: Checkout) -> None:
        folder = published.directory / "tables"
        folder.mkdir()
        FLOWERS.to_parquet(folder / "1.parquet", index=False)
        FLOWERS.drop(columns="petal_width").to_csv(folder / "2.csv", index=False)
        run = score(published, folder)

        assert run.exit_code == 40
        expected = f"error: GuardTableTask: {folder}/2.csv: columns are missing (petal_width)"
        assert run.stderr.splitlines()[-1].startswith(f"{expected}; it has ['id', 'sepal_length', ")


def is_part(key: str) -> bool:
    return "/part-" in key and "/figures/" not in key


class TestEngine:
    """A compiled model publishes what LightGBM publishes."""

    OPTIONS = ("--rows-per-part", "4", "--with-proba", "true", "--gokart-pipeline-sample.ScoreTableTask-engine")

    @pytest.fixture
    def expected(self, published: Checkout, table: Path, bucket: str, s3: S3Client) -> Objects:
        """The objects with what LightGBM publishes; nothing of that is left."""
        assert score(published, table, *self.OPTIONS, "lightgbm").exit_code == 0
        return take_objects(s3, bucket, "batch/")

    @pytest.fixture
    def compile_and_score(self, published: Checkout, table: Path, tmp_path: Path) -> Callable[..., Run]:
        """Scores the table with a compiled model, whose library is not there yet."""

        def run(**variables: str) -> Run:
            cache = str(tmp_path / "cache")
            done = score(published, table, *self.OPTIONS, "compiled", XDG_CACHE_HOME=cache, **variables)
            assert done.exit_code == 0, done.stderr
            return done

        return run

    def test_publishes_the_same_bytes(
        self, compile_and_score: Callable[..., Run], bucket: str, s3: S3Client, expected: Objects, tmp_path: Path
    ) -> None:
        run = compile_and_score()

        assert "LightGBM" not in run.stderr
        assert len(list(tmp_path.glob("cache/gokart_pipeline_sample/*.so"))) == 1
        assert read_objects(s3, bucket) == expected

    @pytest.mark.long
    def test_lightgbm_does_what_cannot_be_compiled(
        self, compile_and_score: Callable[..., Run], bucket: str, s3: S3Client, expected: Objects, tmp_path: Path
    ) -> None:
        run = compile_and_score(PATH=str(tmp_path))

        assert run.stderr.count("LightGBM predicts, the model cannot be compiled: ") == 1
        assert read_objects(s3, bucket) == expected

    @pytest.mark.long
    def test_lightgbm_does_all_if_one_bit_of_a_later_part_is_another(
        self, published: Checkout, compile_and_score: Callable[..., Run], bucket: str, s3: S3Client, expected: Objects
    ) -> None:
        published.edit(
            "gokart_pipeline_sample/io/compiled_model.py",
            "        return np.asarray(self._trees.predict(pa.record_batch(columns), n_jobs=self._threads))",
            "        values = np.array(self._trees.predict(pa.record_batch(columns), n_jobs=self._threads))\n"
            "        last = (features['sepal_length'] == 1.2).to_numpy()\n"
            "        values[last, 0] = np.nextafter(values[last, 0], 1)\n"
            "        return values",
        )
        run = compile_and_score()

        line = "the compiled model does not predict what LightGBM predicts: LightGBM predicts the whole table"
        assert run.stderr.count(line) == 1
        # Other code has another folder.
        digests = [part["sha256"] for part in read_batch(s3, bucket).manifest["parts"]]
        assert digests == [
            hashlib.sha256(content).hexdigest() for key, (content, _) in expected.items() if is_part(key)
        ]
