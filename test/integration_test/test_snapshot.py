"""Snapshots of real databases: SQLite, and PostgreSQL and DuckDB in the long tests."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, read_batch, read_objects
from support.checkout import Checkout, Run
from support.databases import Database

from gokart_pipeline_sample.io.s3 import client_of_process
from gokart_pipeline_sample.io.tables.table import read_iris
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

QUERY = "SELECT id, sepal_length, sepal_width, petal_length, petal_width, target FROM flowers WHERE day <= :as_of"
MEASURES = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def use(checkout: Checkout, database: Database, text: str = QUERY) -> Checkout:
    """Make a database the source of a checkout that has this query."""
    checkout.edit("conf/param.ini", "[TaskOnKart]", f"{database.ini}[TaskOnKart]")
    (checkout.directory / "flowers.sql").write_text(text)
    return checkout


def snapshot(checkout: Checkout, *options: str, as_of: str = "2026-11-29") -> Run:
    asked = ("--source", "warehouse", "--query-file", "flowers.sql", "--to", make_place(checkout))
    return checkout.main("SnapshotTableTask", *asked, "--as-of", as_of, *options, cwd=checkout.directory)


def make_place(checkout: Checkout) -> str:
    return f"s3://{checkout.environment['BUCKET_NAME']}/flowers"


def read_pointer(s3: S3Client, bucket: str) -> dict[str, Any] | None:
    """Follow ``latest.json`` to the manifest; None if there is none."""
    with contextlib.suppress(s3.exceptions.NoSuchKey):
        pointer = json.loads(s3.get_object(Bucket=bucket, Key="flowers/latest.json")["Body"].read())
        return json.loads(s3.get_object(Bucket=bucket, Key=pointer["manifest"])["Body"].read())
    return None


@pytest.fixture
def lite(checkout: Checkout, tmp_path: Path) -> Checkout:
    """A project whose source is an SQLite file with iris, of which each day a tenth is new."""
    path, iris = tmp_path / "warehouse.sqlite", read_iris()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        days = [f"2026-11-{number % 10 + 20}" for number in iris["id"]]
        iris.assign(day=days).to_sql("flowers", connection, index=False)
    return use(checkout, Database("adbc_driver_sqlite", f"file:{path}"))


@pytest.fixture
def connected(server: EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This process uses the server of the test."""
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    client_of_process.cache_clear()
    yield
    client_of_process.cache_clear()


def test_a_query_becomes_a_table_that_trains_and_is_scored(lite: Checkout, bucket: str, s3: S3Client) -> None:
    first = snapshot(lite)
    assert (first.exit_code, first.tasks) == (0, ["SnapshotTableTask"]), first.stderr
    assert "rows       150" in first.stdout
    manifest = read_pointer(s3, bucket)
    assert manifest and re.fullmatch(r"flowers/2026-11-29-\w{32}/part-\w+-00000\.parquet", manifest["parts"][0]["key"])

    again = snapshot(lite)
    assert (again.exit_code, again.tasks) == (0, [])
    before = read_objects(s3, bucket)
    rerun = snapshot(lite, "--rerun")
    assert (rerun.exit_code, rerun.tasks) == (0, ["SnapshotTableTask"])
    # Who has read the manifest before goes on reading its parts.
    assert all(read_objects(s3, bucket)[key] == before[key] for key in before if key.endswith(".parquet"))

    other = snapshot(lite, as_of="2026-11-20")
    assert "rows       15" in other.stdout
    back = snapshot(lite)
    assert (back.tasks, "rows       150" in back.stdout) == (["SnapshotTableTask"], True)

    table = f"{make_place(lite)}/latest.json"
    run = lite.main(*RUN_BATCH, "--table", table, "--LoadDataTask-table", table)
    assert run.exit_code == 0, run.stderr
    batch = read_batch(s3, bucket)
    assert batch and len(batch.published) == 150


@pytest.mark.long
def test_a_run_that_fails_says_why_and_points_to_nothing(lite: Checkout, bucket: str, s3: S3Client) -> None:
    for text, options, problem in (
        ("SELECT * FROM roses", (), "source warehouse: .*no such table: roses: correct the statement"),
        ("SELECT id, id FROM flowers", (), "the query has the column id more than once: name each by AS"),
        ("SELECT x'00' AS x FROM flowers", (), r"the column x is binary, .*: write CAST\(x AS text\) AS x"),
        (
            "SELECT * FROM flowers WHERE day < :first",
            (),
            "the query needs a value of :first: give --param",
        ),
        ("SELECT * FROM flowers", ("--parameter", "a=1"), "the query has no :a: write it there"),
        ("SELECT * FROM flowers WHERE 0", (), "the query has no rows as of 2026-11-29: correct it, or set allow_"),
    ):
        (lite.directory / "flowers.sql").write_text(text)
        run = snapshot(lite, *options)
        assert run.exit_code == 40
        assert re.search(f"^error: SnapshotTableTask: .*{problem}", run.stderr.splitlines()[-1])
    assert not read_objects(s3, bucket)
    allowed = snapshot(lite, "--allow-empty")
    assert (allowed.exit_code, "rows       0" in allowed.stdout) == (0, True), allowed.stderr
    assert [part["rows"] for part in read_pointer(s3, bucket)["parts"]] == [0]
