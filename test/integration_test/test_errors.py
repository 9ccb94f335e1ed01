"""What can go wrong: the exit code, the last line, and nothing published or kept that hides the mend."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout

from pipeline_runner.local_s3 import embedded_s3

PIPELINE = "gokart_pipeline_sample/pipeline"


def assert_fails(run: object, exit_code: int, last_line: str) -> None:
    assert run.exit_code == exit_code, run.stderr
    assert re.match(last_line, run.stderr.splitlines()[-1]), run.stderr.splitlines()[-1]
    # luigi and gokart head the traceback of a task with one of these.
    assert run.stderr.count("Will not run ") + run.stderr.count(" failed    ") <= 1
    assert run.stdout == ""


class TestConfiguration:
    @pytest.mark.parametrize(
        ("old", "new", "last_line"),
        [
            pytest.param(
                "key=output.csv",
                "kye=output.csv",
                r"error: the key kye in \[gokart_pipeline_sample.UploadS3Task\] .* did you mean key\?",
                id="key of a task",
            ),
            pytest.param(
                "workspace_directory",
                "workspace_dir",
                r"error: the key workspace_dir in \[TaskOnKart\] .* did you mean workspace_directory\?",
                id="key of all tasks",
            ),
            pytest.param(
                "[gokart_pipeline_sample.UploadS3Task]",
                "[gokart_pipeline_sample.UploadTask]",
                r"error: the section \[.*.UploadTask\] .* did you mean gokart_pipeline_sample.UploadS3Task\?",
                id="section",
            ),
            pytest.param("[core]", "[core", r"error: .*\[core", id="no section at all"),
        ],
    )
    def test_what_is_not_known(self, checkout: Checkout, old: str, new: str, last_line: str) -> None:
        checkout.edit("conf/param.ini", old, new)

        assert_fails(checkout.main(), 2, last_line)

    def test_a_value_of_the_wrong_type(self, checkout: Checkout) -> None:
        checkout.edit("conf/param.ini", "[core]", "[gokart_pipeline_sample.TrainTask]\nlearning_rate=fast\n[core]")

        assert_fails(checkout.main(), 50, r"error: RunTask: .*TrainTask.*'learning_rate' .*'fast'")

    def test_no_scheduler(self, checkout: Checkout) -> None:
        assert_fails(
            checkout.main("RunTask", "--scheduler-host", "127.0.0.1", "--scheduler-port", "1"),
            4,
            "error: RunTask: luigi's scheduler .* add --local-scheduler",
        )


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[S3Client, Callable[[str], dict[str, str]]]]:
    """A server with a bucket, and the environment of its users: admin, and reader who may not write."""
    directory = tmp_path_factory.mktemp("guarded")
    users = {"admin": ["Admin", "Read", "List", "Tagging", "Write"], "reader": ["Read", "List"]}
    identities = [
        {"name": name, "credentials": [{"accessKey": name, "secretKey": f"secret-of-{name}"}], "actions": actions}
        for name, actions in users.items()
    ]
    (directory / "users.json").write_text(json.dumps({"identities": identities}))
    (directory / "credentials").write_text(
        "[default]\naws_access_key_id=admin\naws_secret_access_key=secret-of-admin\n"
    )
    with embedded_s3.running(directory, options=["-s3.config=users.json"]) as server:
        server.wait_until_ready()

        def environment(user: str, secret: str | None = None) -> dict[str, str]:
            return {
                **server.environment(),
                "AWS_ACCESS_KEY_ID": user,
                "AWS_SECRET_ACCESS_KEY": secret or f"secret-of-{user}",
            }

        yield server.connect(), environment


class TestS3:
    def test_wrong_secret(self, checkout: Checkout, guarded: tuple) -> None:
        run = checkout.main(**guarded[1]("admin", "secret-that-is-wrong"))

        assert_fails(run, 50, r"error: RunTask: s3://.*/output.csv: S3 refuses to look at it: check the credentials")
        assert run.tasks == []
        assert "secret-that-is-wrong" not in run.stderr

    def test_read_only(self, published: Checkout, guarded: tuple) -> None:
        s3, environment = guarded

        run = published.main(**environment("reader"))

        assert_fails(
            run, 40, r"error: UploadS3Task: s3://.*: S3 refuses to put it: check the credentials.*s3:PutObject"
        )
        assert "secret-of-reader" not in run.stderr
        assert s3.list_objects_v2(Bucket=embedded_s3.BUCKET)["KeyCount"] == 0
        mended = published.main(**environment("admin"))
        assert (mended.exit_code, mended.tasks) == (0, ["UploadS3Task"])

    def test_missing_bucket(self, checkout: Checkout) -> None:
        run = checkout.main(BUCKET_NAME="not-there")

        assert_fails(
            run, 50, r"error: RunTask: s3://not-there/output.csv: .*: create the bucket, or correct BUCKET_NAME"
        )
        assert run.tasks == []

    def test_unreachable_endpoint(self, checkout: Checkout) -> None:
        run = checkout.main(AWS_ENDPOINT_URL="http://127.0.0.1:9")

        assert_fails(run, 50, r"error: RunTask: .*S3 cannot be asked .*: check the network, AWS_ENDPOINT_URL")
        assert run.tasks == []


class TestTables:
    @pytest.mark.parametrize(
        ("file", "old", "new", "last_line"),
        [
            pytest.param(
                "gokart_pipeline_sample/io/tables/table.py",
                ".reset_index()",
                '.reset_index().assign(petal_width=lambda data: data["petal_width"].where(data["id"] % 50 != 7, -1.0))',
                "error: LoadDataTask: the frame breaks IrisFeatureSchema: petal_width breaks greater_than(0) "
                "in 3 rows, the first of them with id [7, 57, 107] and the values [-1.0]",
                id="load",
            ),
            pytest.param(
                "gokart_pipeline_sample/io/tables/table.py",
                ".reset_index()",
                '.reset_index().drop(columns="sepal_width").assign(note="x", target=lambda data: data["target"] * 1.0)',
                "error: LoadDataTask: the frame breaks IrisFeatureSchema: the column note is not described; "
                "the column sepal_width is missing; target is float64 instead of dtype('int64')",
                id="load, several at once",
                marks=pytest.mark.long,
            ),
            pytest.param(
                "gokart_pipeline_sample/io/tables/table.py",
                ".reset_index()",
                ".reset_index()[:0]",
                "error: LoadDataTask: ValueError: the table has 0 rows of the classes []: give at least two classes",
                id="load, no rows",
            ),
            pytest.param(
                "gokart_pipeline_sample/io/tables/table.py",
                ".reset_index()",
                ".reset_index()[:50]",
                "error: LoadDataTask: ValueError: the table has 50 rows of the classes [0]: give at least two classes",
                id="load, one class",
                marks=pytest.mark.long,
            ),
            pytest.param(
                f"{PIPELINE}/preprocess.py",
                "return length * width",
                "return length * width - 0.3",
                "error: PreprocessTask: the frame breaks PreprocessedSchema: petal_area breaks greater_than(0) in ",
                id="preprocess",
                marks=pytest.mark.long,
            ),
            pytest.param(
                f"{PIPELINE}/preprocess.py",
                "data.assign(petal_area=petal_area)",
                'data.assign(petal_area=petal_area).drop(columns="target")',
                "error: SplitDataTask: the frame breaks PreprocessedSchema: the column target is missing",
                id="split",
            ),
            pytest.param(
                f"{PIPELINE}/pred.py",
                "target_column(): predicted}",
                "target_column(): predicted + 1}",
                "error: PredTask: the frame breaks PredictionSchema: pred breaks isin([0, 1, 2]) in ",
                id="predict",
            ),
            pytest.param(
                f"{PIPELINE}/make_output.py",
                "match_by_id(prediction, data[PreprocessedSchema.id_column()])",
                "match_by_id(prediction, data[PreprocessedSchema.id_column()] + 1000)",
                "error: MakeOutputTask: ValueError: 60 ids have no row or no prediction, the first of them [",
                id="make output",
                marks=pytest.mark.long,
            ),
        ],
    )
    def test_a_frame_that_breaks_its_schema(
        self, checkout: Checkout, bucket: str, s3: S3Client, file: str, old: str, new: str, last_line: str
    ) -> None:
        checkout.edit(file, old, new)

        run = checkout.main()

        assert_fails(run, 40, re.escape(last_line))
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        task = run.stderr.splitlines()[-1].split(":")[1].strip()
        assert task not in run.tasks
        assert not list(checkout.workspace.glob(f"{task}_*"))

    def test_the_last_line_comes_from_a_worker_too(self, checkout: Checkout) -> None:
        checkout.edit(f"{PIPELINE}/preprocess.py", "return length * width", "return -length")

        run = checkout.main("--workers", "2")

        assert_fails(run, 40, "error: PreprocessTask: the frame breaks PreprocessedSchema: petal_area breaks")


class TestWorkspace:
    def test_unwritable(self, checkout: Checkout) -> None:
        checkout.edit("conf/param.ini", "workspace_directory=./resources", "workspace_directory=./main.py/resources")

        assert_fails(
            checkout.main(), 2, r"error: the lock folder .*main.py/resources/locks cannot be used: correct work"
        )

    @pytest.mark.long
    def test_full_disk(self, checkout: Checkout, bucket: str, s3: S3Client) -> None:
        checkout.workspace.mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(checkout.workspace)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("only root may mount a small disk")
        try:
            run = checkout.main()
        finally:
            subprocess.run(["umount", str(checkout.workspace)], check=True)  # noqa: S607

        path, advice = checkout.workspace / "LoadDataTask_", "the disk is full: make room there, or set workspace"
        assert_fails(run, 40, rf"error: LoadDataTask: OSError: .*No space left on device: '{path}.*': {advice}")
        assert not any(checkout.workspace.rglob("*"))
        assert s3.list_objects_v2(Bucket=bucket)["KeyCount"] == 0
        assert checkout.main().exit_code == 0

    @pytest.mark.parametrize(
        ("damaged", "size", "removed", "made_again"),
        [
            ("LoadDataTask_*.parquet", 0, "PreprocessTask", ["LoadDataTask", "PreprocessTask"]),
            ("TrainTask_[0-9a-f]*.txt", 1000, "PredTask", ["TrainTask", "PredTask"]),
            pytest.param(
                "TrainTask_[0-9a-f]*.txt", -100, "PredTask", ["TrainTask", "PredTask"], marks=pytest.mark.long
            ),
        ],
    )
    def test_a_damaged_file_is_made_again(
        self,
        published: Checkout,
        bucket: str,
        s3: S3Client,
        damaged: str,
        size: int,
        removed: str,
        made_again: list[str],
    ) -> None:
        (file,) = published.workspace.glob(damaged)
        whole = file.read_bytes()
        file.write_bytes(whole[:size])
        later = ("PreprocessTask", "SplitDataTask", "TrainTask", "PredTask", "MakeOutputTask", "CheckAccuracyTask")
        for task in later[later.index(removed) :]:
            for path in published.workspace.glob(f"{task}_*"):
                if path != file and not (removed == "PredTask" and task == "TrainTask"):
                    path.unlink()
        s3.delete_object(Bucket=bucket, Key="output.csv")

        run = published.main()

        assert run.exit_code == 0, run.stderr
        assert run.tasks[: len(made_again)] == made_again
        assert f"{file} is damaged: it is made again" in run.stderr
        assert file.read_bytes() == whole
