"""A published batch goes into a table of a real database: each row once, whatever happens."""

from __future__ import annotations

import json
import threading
import time
import uuid
from importlib import import_module
from pathlib import Path
from urllib.parse import quote

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import read_batch, read_objects
from support.champion import INI, SCORE, Published, Trained, replace_objects
from support.checkout import Checkout, Run
from support.databases import PASSWORD, USER, Database
from support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.long

DELIVER = ("gokart_pipeline_sample.DeliverBatchTask", "--local-scheduler", "--source", "warehouse", "--into")
LATEST = "batch/latest.json"
ROWS = 'SELECT id, pred FROM "predictions" ORDER BY id'


@pytest.fixture
def bucket(trained_once: Trained) -> str:
    return trained_once.bucket


@pytest.fixture
def published(published_batch: Published, bucket: str, s3: S3Client, tmp_path: Path) -> Checkout:
    replace_objects(s3, bucket, published_batch.objects)
    return published_batch.checkout.copy(tmp_path / "checkout")


def use(checkout: Checkout, database: Database) -> Checkout:
    """Let a project know a database as its warehouse."""
    checkout.edit(INI, "[core]", f"{database.ini}[core]")
    return checkout


def read_expected(s3: S3Client, bucket: str) -> list[tuple[int, int]]:
    """Return id and prediction of each published row, by id."""
    return sorted(read_batch(s3, bucket).published[["id", "pred"]].itertuples(index=False, name=None))


@pytest.fixture(params=["postgresql", "sqlite", "duckdb"])
def any_database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    if request.param == "postgresql":
        return request.getfixturevalue("database")
    return Database(f"adbc_driver_{request.param}", str(tmp_path / "warehouse"))


def test_each_row_is_there_once(published: Checkout, bucket: str, s3: S3Client, any_database: Database) -> None:
    use(published, any_database).edit("conf/param.ini", "write=false", "write=true")
    run = published.main(*DELIVER, "predictions")

    assert (run.exit_code, run.tasks) == (0, ["DeliverBatchTask"]), run.stderr
    expected = read_expected(s3, bucket)
    assert any_database.execute(ROWS) == expected
    manifest = read_manifest_key(s3, bucket)
    batches = 'SELECT DISTINCT "batch" FROM "predictions"'
    assert any_database.execute(batches) == [(manifest.split("/")[1],)]
    assert len(any_database.execute('SELECT DISTINCT "scored_at" FROM "predictions"')) == 1
    summary = ["rows       200", "delivered  200 rows to warehouse:predictions", f"published  s3://{bucket}/{manifest}"]
    *said, report = run.stdout.splitlines()
    assert said[:3] == summary
    assert "200 rows to warehouse:predictions" in Path(report.removeprefix("report").strip()).read_text()
    again = published.main(*DELIVER, "predictions")
    assert (again.exit_code, again.tasks, again.stdout.splitlines()) == (0, [], said)

    any_database.execute('DELETE FROM "predictions" WHERE id = (SELECT min(id) FROM "predictions")')
    assert published.main(*DELIVER, "predictions").tasks == ["DeliverBatchTask"]
    assert any_database.execute(ROWS) == expected

    # A row that is there twice is no better than one that is missing.
    any_database.execute('INSERT INTO "predictions" SELECT * FROM "predictions"')
    assert published.main(*DELIVER, "predictions").tasks == ["DeliverBatchTask"]
    assert any_database.execute(ROWS) == expected

    # Another batch stands beside it.
    assert published.main(*SCORE, "--rows-per-part", "90").exit_code == 0
    assert published.main(*DELIVER, "predictions").tasks == ["DeliverBatchTask"]
    assert any_database.execute('SELECT count(*) FROM "predictions"') == [(400,)]
    for key in (manifest, f"s3://{bucket}/{manifest}"):
        assert published.main(*DELIVER, "predictions", "--manifest", key).tasks == []
    lines = published.main("--history").stdout.splitlines()
    assert sum("  delivered  " in line and line.endswith("200 rows to warehouse:predictions") for line in lines) == 4


def test_any_format_and_all_columns(published: Checkout, bucket: str, s3: S3Client, database: Database) -> None:
    database.execute("CREATE SCHEMA analytics")
    # Some of the columns in another order, one more, and a type that holds the same.
    columns = "note integer, reason_2 text, batch varchar(64), pred bigint, id bigint, probability_1 float8"
    database.execute(f'CREATE TABLE analytics."Flower predictions" ({columns})')
    use(published, database)
    published.edit(INI, "[core]", '[gokart_pipeline_sample.ScoreTableTask]\npublish=["petal_area"]\n\n[core]')
    options = ("--with-proba", "true", "--with-reasons", "2", "--rows-per-part", "70")
    found = []
    for name in ("csv", "parquet"):
        assert published.main(*SCORE, *options, "--output-format", name).exit_code == 0
        run = published.main(*DELIVER, "analytics.Flower predictions")
        if not found:
            assert run.exit_code == 40
            line = run.stderr.splitlines()[-1]
            assert "analytics.Flower predictions lacks columns, or has them with other types" in line
            database.execute("ALTER TABLE" + line.split(": ALTER TABLE")[1])
            assert database.execute('SELECT count(*) FROM analytics."Flower predictions"') == [(0,)]
            run = published.main(*DELIVER, "analytics.Flower predictions")
        assert run.exit_code == 0, run.stderr
        frame = read_batch(s3, bucket).published
        rows = database.execute(
            "SELECT id, pred, probability_0, probability_1, probability_2, reason_1, reason_2, petal_area "
            'FROM analytics."Flower predictions" ORDER BY scored_at DESC, id LIMIT 200'
        )
        assert rows == sorted(frame.itertuples(index=False, name=None))
        found.append(rows)
    assert found[0] == found[1]
    assert database.execute('SELECT count(*), count(note) FROM analytics."Flower predictions"') == [(400, 0)]


def test_columns_of_other_types_are_refused(published: Checkout, bucket: str, s3: S3Client, database: Database) -> None:
    database.execute("CREATE TABLE predictions (id integer, pred text, batch text, scored_at timestamp)")
    run = use(published, database).main(*DELIVER, "predictions")

    assert run.exit_code == 40
    statement = (
        'ALTER TABLE "predictions" ALTER COLUMN "id" TYPE bigint, ALTER COLUMN "pred" TYPE bigint, '
        'ALTER COLUMN "scored_at" TYPE timestamp with time zone'
    )
    assert run.stderr.splitlines()[-1] == (
        "error: DeliverBatchTask: source warehouse: predictions lacks columns, or has them with other types: "
        f"{statement}"
    )
    database.execute(statement.replace("TYPE bigint,", "TYPE bigint USING 0,"))
    assert published.main(*DELIVER, "predictions").exit_code == 0
    assert database.execute(ROWS) == read_expected(s3, bucket)


class TestScoring:
    def test_delivers_as_its_last_step(
        self, published: Checkout, bucket: str, s3: S3Client, database: Database
    ) -> None:
        use(published, database)
        deliver = (*SCORE, "--rows-per-part", "70", "--deliver-to", "warehouse:predictions")
        run = published.main(*deliver)
        # The batch was published before.
        assert (run.exit_code, run.tasks) == (0, ["DeliverBatchTask"]), run.stderr
        assert "delivered  200 rows to warehouse:predictions" in run.stdout
        assert f"published  s3://{bucket}/{LATEST}" in run.stdout
        assert published.main(*deliver).tasks == []

        published.edit(INI, "write=false", "write=true")
        run = published.main(*deliver, "--prefix", "other")
        assert run.tasks[-2:] == ["PublishBatchTask", "DeliverBatchTask"]
        assert database.execute("SELECT count(*) FROM predictions") == [(400,)]
        assert any(key.startswith("other/") and key.endswith("/report.html") for key in read_objects(s3, bucket))
        history = published.main("--history").stdout
        assert "  published and delivered  " in history
        # What points to another batch is put again, though the rows are there.
        s3.delete_object(Bucket=bucket, Key="other/latest.json")
        assert published.main(*deliver, "--prefix", "other").tasks == ["PublishBatchTask"]

    def test_has_published_the_batch_if_the_database_fails(
        self, published: Checkout, bucket: str, s3: S3Client, database: Database
    ) -> None:
        use(published, database)
        deliver = (*SCORE, "--prefix", "other", "--deliver-to", "warehouse:nowhere.predictions")
        run = published.main(*deliver)
        assert run.exit_code == 40
        assert 'schema "nowhere" does not exist' in run.stderr.splitlines()[-1]
        assert len(read_batch(s3, bucket, "other").published) == 200
        assert "  failed  " in published.main("--history").stdout
        database.execute("CREATE SCHEMA nowhere")
        assert published.main(*deliver).tasks == ["DeliverBatchTask"]

    @pytest.mark.parametrize("wrong", ["predictions", "storehouse:predictions"])
    def test_refuses_what_is_no_place_before_it_begins(
        self, published: Checkout, database: Database, wrong: str
    ) -> None:
        run = use(published, database).main(*SCORE, "--prefix", "other", "--deliver-to", wrong)
        assert (run.exit_code, run.tasks) == (2, [])

    def test_is_the_same_for_a_batch_that_trains(self, published: Checkout, database: Database) -> None:
        command = ("RunBatchTask", "--table", "new.csv", "--deliver-to", "warehouse:predictions")
        plan = use(published, database).main("--plan", *command)
        assert plan.exit_code == 0, plan.stderr
        assert plan.stdout.index("PublishBatchTask") < plan.stdout.index("DeliverBatchTask")


class TestFaults:
    def test_wrong_password(self, published: Checkout, database: Database) -> None:
        secret = f"wrong-{uuid.uuid4().hex}"
        use(published, database._replace(uri=database.uri.replace(quote(PASSWORD), secret)))
        run = published.main(*DELIVER, "predictions")
        assert run.exit_code == 50
        line = run.stderr.splitlines()[-1]
        assert line.startswith("error: DeliverBatchTask: source warehouse: ")
        assert "password" in line
        written = [path.read_bytes() for path in published.workspace.rglob("*") if path.is_file()]
        assert not any(secret.encode() in each for each in (*written, run.stdout.encode(), run.stderr.encode()))

    def test_no_right_to_write(self, published: Checkout, database: Database) -> None:
        assert use(published, database).main(*DELIVER, "predictions").exit_code == 0
        role = f"reader_{uuid.uuid4().hex[:8]}"
        database.execute(
            f"CREATE ROLE {role} LOGIN PASSWORD 'reads'",
            f"GRANT SELECT ON predictions TO {role}",
            "DELETE FROM predictions",
        )
        published.edit(INI, f"{USER}:{quote(PASSWORD).replace('%', '%%')}@", f"{role}:reads@")
        run = published.main(*DELIVER, "predictions")
        assert run.exit_code == 40
        assert "permission denied for table predictions" in run.stderr.splitlines()[-1]
        assert "rights of its user" in run.stderr.splitlines()[-1]

    def test_connection_lost_in_the_middle(
        self, published: Checkout, bucket: str, s3: S3Client, database: Database, proxy: RecordingProxy
    ) -> None:
        use(published, database)
        assert published.main(*DELIVER, "predictions").exit_code == 0
        database.execute("DELETE FROM predictions WHERE id IN (SELECT min(id) FROM predictions)")

        def cut(_: str, path: str) -> None:
            if "part-00002" in path:
                name = database.uri.rpartition("/")[2]
                others = f"FROM pg_stat_activity WHERE datname = '{name}' AND pid <> pg_backend_pid()"
                database.execute(f"SELECT pg_terminate_backend(pid) {others}")

        proxy.before = cut
        run = published.main(*DELIVER, "predictions", AWS_ENDPOINT_URL=proxy.endpoint)
        assert run.exit_code == 40
        assert run.stderr.splitlines()[-1].startswith("error: DeliverBatchTask: source warehouse: ")
        assert database.execute("SELECT count(*) FROM predictions") == [(199,)]
        assert published.main(*DELIVER, "predictions").exit_code == 0
        assert database.execute(ROWS) == read_expected(s3, bucket)

    def test_a_table_that_is_locked_for_too_long(self, published: Checkout, database: Database) -> None:
        database.execute("CREATE TABLE predictions (id bigint, pred bigint, batch text, scored_at timestamptz)")
        use(published, database)
        with import_module(f"{database.driver}.dbapi").connect(database.uri) as other, other.cursor() as cursor:
            cursor.execute("LOCK TABLE predictions IN SHARE MODE")
            started = time.monotonic()
            run = published.main(*DELIVER, "predictions", "--timeout-seconds", "2")
            assert time.monotonic() - started < 30
        assert run.exit_code == 40
        assert "it takes more than 2 s" in run.stderr.splitlines()[-1]
        assert published.main(*DELIVER, "predictions", "--timeout-seconds", "20").exit_code == 0

    def test_two_at_once(
        self, published: Checkout, bucket: str, s3: S3Client, database: Database, proxy: RecordingProxy
    ) -> None:
        """Both have found that the rows are missing, and that there is no table, before one of them writes."""
        use(published, database)
        have_begun = threading.Barrier(2)

        def hold(_: str, path: str) -> None:
            if "part-00000" in path:
                have_begun.wait(60)

        proxy.before = hold
        command = (*DELIVER, "predictions", "--no-lock")
        runs: list[Run] = []

        def run() -> None:
            runs.append(published.main(*command, AWS_ENDPOINT_URL=proxy.endpoint))

        threads = [threading.Thread(target=run) for _ in range(2)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        assert [each.exit_code for each in runs] == [0, 0], "\n".join(each.stderr for each in runs)
        assert database.execute(ROWS) == read_expected(s3, bucket)

    def test_a_part_that_was_replaced(self, published: Checkout, bucket: str, s3: S3Client, database: Database) -> None:
        use(published, database)
        part = read_batch(s3, bucket).manifest["parts"][1]["key"]
        s3.put_object(Bucket=bucket, Key=part, Body=b"id,pred\n1,1\n")
        run = published.main(*DELIVER, "predictions")
        assert run.exit_code == 40
        assert f"s3://{bucket}/{part}" in run.stderr.splitlines()[-1]
        assert database.execute("SELECT to_regclass('predictions') IS NULL") == [(True,)]

    def test_a_batch_that_is_not_there(self, published: Checkout, bucket: str, database: Database) -> None:
        run = use(published, database).main(*DELIVER, "predictions", "--prefix", "none")
        assert run.exit_code == 50
        assert f"s3://{bucket}/none/latest.json: S3 refuses to read it: publish a batch first" in run.stderr
        run = published.main(*DELIVER, "predictions", "--manifest", "batch/none/manifest.json")
        assert run.exit_code == 40
        problem = f"s3://{bucket}/batch/none/manifest.json: S3 refuses to read it: give the key of a manifest"
        assert problem in run.stderr.splitlines()[-1]


def read_manifest_key(s3: S3Client, bucket: str) -> str:
    return json.loads(s3.get_object(Bucket=bucket, Key=LATEST)["Body"].read())["manifest"]
