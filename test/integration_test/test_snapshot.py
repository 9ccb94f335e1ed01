"""Snapshots of real databases: SQLite, and PostgreSQL and DuckDB in the long tests."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, read_batch, read_objects
from support.checkout import PROJECT, Checkout, Run
from support.databases import PASSWORD, Database

from gokart_pipeline_sample.io.tables.table import read_iris

QUERY = "SELECT id, sepal_length, sepal_width, petal_length, petal_width, target FROM flowers WHERE day <= :as_of"
MEASURES = {"sepal_length": 5.1, "sepal_width": 3.5, "petal_length": 1.4, "petal_width": 0.2}


def use(checkout: Checkout, database: Database, text: str = QUERY) -> Checkout:
    """Make a database the source of a checkout that has this query."""
    checkout.edit("conf/param.ini", "[TaskOnKart]", f"{database.ini}[TaskOnKart]")
    (checkout.directory / "flowers.sql").write_text(text)
    return checkout


def list_arguments(checkout: Checkout, as_of: str = "2026-11-29") -> list[str]:
    place = ["--to", make_place(checkout), "--as-of", as_of]
    return ["SnapshotTableTask", "--source", "warehouse", "--query-file", "flowers.sql", *place]


def snapshot(checkout: Checkout, *options: str, as_of: str = "2026-11-29") -> Run:
    return checkout.main(*list_arguments(checkout, as_of), *options, cwd=checkout.directory)


MEASURE = """import resource, subprocess, sys
exit_code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(exit_code)"""


def start(checkout: Checkout, log: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start to take a snapshot, and write what it says."""
    command = [sys.executable, str(checkout.directory / "main.py"), *list_arguments(checkout)]
    return subprocess.Popen(command, env=checkout.environment, cwd=checkout.directory, stdout=log, stderr=log)


def make_place(checkout: Checkout) -> str:
    return f"s3://{checkout.environment['BUCKET_NAME']}/flowers"


def read_pointer(s3: S3Client, bucket: str) -> dict[str, Any] | None:
    """Follow ``latest.json`` to the manifest; None if there is none."""
    with contextlib.suppress(s3.exceptions.NoSuchKey):
        pointer = json.loads(s3.get_object(Bucket=bucket, Key="flowers/latest.json")["Body"].read())
        return json.loads(s3.get_object(Bucket=bucket, Key=pointer["manifest"])["Body"].read())
    return None


def read_parts(s3: S3Client, bucket: str, manifest: dict[str, Any]) -> list[bytes]:
    return [s3.get_object(Bucket=bucket, Key=part["key"])["Body"].read() for part in manifest["parts"]]


@pytest.fixture
def lite(checkout: Checkout, tmp_path: Path) -> Checkout:
    """A project whose source is an SQLite file with iris, of which each day a tenth is new."""
    path, iris = tmp_path / "warehouse.sqlite", read_iris()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        days = [f"2026-11-{number % 10 + 20}" for number in iris["id"]]
        iris.assign(day=days).to_sql("flowers", connection, index=False)
    return use(checkout, Database("adbc_driver_sqlite", f"file:{path}"))


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


def make_rows(rows: int) -> str:
    """Return a query of PostgreSQL for that many made-up flowers."""
    measures = ", ".join(f"{value}::float8 AS {name}" for name, value in MEASURES.items())
    return f"SELECT n::bigint AS id, {measures}, (n % 3)::int AS target FROM generate_series(1, {rows}) n"  # noqa: S608


@pytest.mark.long
def test_the_page_reads_several_folders_with_duckdb(checkout: Checkout, bucket: str, s3: S3Client) -> None:
    page = (PROJECT / "docs" / "from-a-database.md").read_text()
    recipe = next(code for code in re.findall(r"(?ms)^```python\n(.+?)^```$", page) if "duckdb" in code)
    package, iris = checkout.directory / "gokart_pipeline_sample", read_iris()
    (package / "pipeline" / "database" / "flowers.py").write_text(recipe)
    with (package / "__init__.py").open("a") as file:
        file.write("from gokart_pipeline_sample.pipeline.database.flowers import FlowersTask as FlowersTask\n")
    days = pd.date_range("2026-11-20", periods=10)
    for number, day in enumerate(days):
        rows = iris[iris["id"] % 10 == number].assign(day=day)
        for name, part in (("flowers", rows.drop(columns="target")), ("species", rows[["id", "target"]])):
            folder = checkout.directory / name / f"{day:%d}"
            folder.mkdir(parents=True)
            part.to_parquet(folder / "part.parquet", index=False)
    run = checkout.main("FlowersTask", "--as-of", "2026-11-24", "--to", make_place(checkout), cwd=checkout.directory)
    assert (run.exit_code, run.tasks) == (0, ["FlowersTask"]), run.stderr
    manifest = read_pointer(s3, bucket)
    assert manifest is not None
    read = pd.concat(pd.read_parquet(BytesIO(content)) for content in read_parts(s3, bucket, manifest))
    expected = iris[iris["id"] % 10 < 5]
    assert sorted(read["id"]) == sorted(expected["id"])
    assert read.set_index("id")["target"].to_dict() == expected.set_index("id")["target"].to_dict()


@pytest.mark.long
class TestPostgreSQL:
    def test_a_query_becomes_a_table(self, checkout: Checkout, database: Database) -> None:
        use(checkout, database)
        database.execute(
            f"CREATE TABLE flowers AS SELECT *, date '2026-11-01' + id::int % 40 AS day FROM ({make_rows(400)}) f"  # noqa: S608
        )
        run = snapshot(checkout)
        assert (run.exit_code, "rows       290" in run.stdout) == (0, True), run.stderr
        (checkout.directory / "flowers.sql").write_text(
            "SELECT id FROM flowers WHERE day < CAST(:until AS date) AND ':x' <> E'\\':y' -- :z\n AND day <= :as_of"
        )
        assert "rows       10" in snapshot(checkout, "--parameter", "until=2026-11-02").stdout

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            (
                "SELECT 1.5 AS price",
                r"the column price is numeric, .*: write CAST\(price AS double precision\) AS",
            ),
            ("SELECT '{}'::jsonb AS tags", r"the column tags is .*json.*: write CAST\(tags AS text\) AS tags"),
            ("SELECT 1 AS id WHERE 'x' < :x", "the query needs a value of :x"),
            ("SELECT 10 / (500000 - n) AS x FROM generate_series(1, 1000000) n", "division by zero"),
            ("SELECT pg_sleep(60)", "it takes more than 2 s: ask for less, or raise timeout_seconds"),
        ],
    )
    def test_what_fails_points_to_nothing(
        self, text: str, problem: str, checkout: Checkout, database: Database, bucket: str, s3: S3Client
    ) -> None:
        run = snapshot(use(checkout, database, text), "--timeout-seconds", "2")
        assert run.exit_code == 40
        assert re.search(f"^error: SnapshotTableTask: .*{problem}", run.stderr.splitlines()[-1])
        assert read_pointer(s3, bucket) is None

    def test_no_trace_has_the_password(self, checkout: Checkout, database: Database, bucket: str, s3: S3Client) -> None:
        uri = database.uri.replace(quote(PASSWORD), "${WAREHOUSE_PASSWORD}")
        use(checkout, Database(database.driver, uri), make_rows(10))
        for password, expected in ((quote(PASSWORD), 0), ("wrong%20horse", 40)):
            (checkout.directory / "flowers.sql").write_text(make_rows(10 + expected))
            checkout.environment["WAREHOUSE_PASSWORD"] = password
            run = snapshot(checkout)
            assert run.exit_code == expected, run.stderr
        assert "password authentication failed" in run.stderr.splitlines()[-1]
        assert "correct the uri of [gokart_pipeline_sample.Source.warehouse]" in run.stderr.splitlines()[-1]
        files = [path.read_bytes() for path in checkout.workspace.rglob("*") if path.is_file()]
        objects = [content + str(metadata).encode() for content, metadata in read_objects(s3, bucket).values()]
        for trace in (run.stdout.encode(), run.stderr.encode(), *files, *objects):
            assert b"horse" not in trace

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_cancels_the_statement(self, number: int, checkout: Checkout, database: Database) -> None:
        use(checkout, database, "SELECT n::text, pg_sleep(0.01)::text AS x FROM generate_series(1, 100000) n")
        active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'COPY (SELECT n::text%'"
        with (checkout.directory / "log").open("wb") as log:
            process = start(checkout, log)
        wait_until(lambda: database.execute(active) != [(0,)])
        process.send_signal(number)
        assert process.wait(60) == 128 + number
        assert (checkout.directory / "log").read_text().splitlines()[-1].startswith("error: stopped by SIG")
        wait_until(lambda: database.execute(active) == [(0,)], seconds=5)

    def test_a_lost_connection_points_to_nothing(
        self, checkout: Checkout, database: Database, bucket: str, s3: S3Client
    ) -> None:
        use(checkout, database, "SELECT n AS id, pg_sleep(0.001)::text AS x FROM generate_series(1, 100000) n")
        killed = threading.Thread(target=end_sessions, args=(database,))
        killed.start()
        run = snapshot(checkout)
        killed.join()
        assert run.exit_code == 40
        assert re.search("source warehouse: .*(terminat|closed).*see that it runs", run.stderr.splitlines()[-1])
        assert read_pointer(s3, bucket) is None
        (checkout.directory / "flowers.sql").write_text(make_rows(10))
        assert snapshot(checkout).exit_code == 0
        assert read_pointer(s3, bucket) is not None

    def test_ten_million_rows_take_little_memory(self, checkout: Checkout, database: Database) -> None:
        use(checkout, database, make_rows(10_000_000))
        # A process of its own, because one begins with the memory of the one that it was forked from.
        command = [sys.executable, "-c", MEASURE, sys.executable, "main.py", *list_arguments(checkout)]
        run = checkout.execute(command)
        assert run.exit_code == 0, run.stderr
        *said, kilobytes = run.stdout.splitlines()
        assert "rows       10000000" in said
        assert int(kilobytes) < 400 * 1024


def wait_until(is_true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not is_true():
        assert time.monotonic() < end
        time.sleep(0.1)


def end_sessions(database: Database) -> None:
    """End the session that asks for a snapshot, as an administrator does."""
    ended = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE 'COPY (SELECT n AS id%'"
    wait_until(lambda: database.execute(ended) != [(0,)])
