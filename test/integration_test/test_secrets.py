"""Secrets reach no stream, no record and no report; and nothing that the user did not name configures a run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout

SECRET = "hunter2hunter2"  # noqa: S105
SIGNED = f"https://b.s3.amazonaws.com/t.csv?X-Amz-Signature={SECRET}&X-Amz-Credential={SECRET}"


def find_secret(checkout: Checkout) -> list[Path]:
    files = (path for path in checkout.workspace.rglob("*") if path.is_file())
    return [path for path in files if SECRET.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("arguments", "variables", "exit_code"),
    [
        pytest.param(
            (), {"AWS_ENDPOINT_URL": f"http://user:{SECRET}@127.0.0.1:9"}, 50, id="endpoint", marks=pytest.mark.long
        ),
        pytest.param(("--gokart-pipeline-sample.LoadDataTask-table", SIGNED), {}, 50, id="table to train on"),
        pytest.param(
            ("gokart_pipeline_sample.RunBatchTask", "--local-scheduler", "--table", SIGNED), {}, 2, id="table to score"
        ),
        pytest.param(
            ("--gokart-pipeline-sample.TrainTask-redis-host", f"redis://:{SECRET}@127.0.0.1"), {}, 0, id="option"
        ),
    ],
)
def test_reach_nothing(
    published: Checkout, arguments: tuple[str, ...], variables: dict[str, str], exit_code: int
) -> None:
    published.edit("conf/param.ini", "write=false", "write=true")

    run = published.main(*arguments, **variables)

    assert run.exit_code == exit_code
    assert SECRET not in run.stdout + run.stderr
    assert find_secret(published) == []
    assert published.main("--history").exit_code == 0


def test_reach_neither_the_record_nor_the_report_from_the_command_line(
    published: Checkout, bucket: str, s3: S3Client
) -> None:
    published.edit("conf/param.ini", "write=false", "write=true")
    published.edit(
        "gokart_pipeline_sample/pipeline/upload.py",
        "    key: luigi.Parameter[str]",
        '    service_token: luigi.Parameter[str] = luigi.Parameter(default="")\n    key: luigi.Parameter[str]',
    )

    run = published.main("--gokart-pipeline-sample.UploadS3Task-service-token", SECRET)

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert SECRET not in run.stdout + run.stderr
    assert find_secret(published) == []
    report = s3.get_object(Bucket=bucket, Key="report.html")["Body"].read()
    assert SECRET.encode() not in report
    assert b"service_token" in report
    record = json.loads(max((published.workspace / "runs").glob("*.json")).read_text())
    assert record["command"][-1] == "***"


def test_records_and_reports_are_for_their_owner_alone(published: Checkout) -> None:
    published.edit("conf/param.ini", "write=false", "write=true")
    assert published.main("--require-acc", "1.0").exit_code == 40

    runs = published.workspace / "runs"

    assert {path.suffix for path in runs.iterdir()} == {".json", ".html"}
    new = [path for path in runs.iterdir() if path.stat().st_mode & 0o777 == 0o600]
    assert len(new) == len(list(runs.iterdir()))
    assert runs.stat().st_mode & 0o777 == 0o700
    assert (published.workspace / "locks").stat().st_mode & 0o777 == 0o700


def test_a_luigi_cfg_in_the_working_directory_changes_nothing(published: Checkout, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in ("luigi.cfg", "client.cfg"):
        (elsewhere / name).write_text(
            "[gokart_pipeline_sample.UploadS3Task]\nkey=stolen.csv\n[nonsense]\na=b\n[core]\nworkers=x\n"
        )

    run = published.main(cwd=elsewhere)

    assert (run.exit_code, run.tasks) == (0, []), run.stderr


def test_a_lock_folder_that_others_have_prepared_is_refused(published: Checkout, tmp_path: Path) -> None:
    (tmp_path / "theirs").mkdir()
    locks = published.workspace / "locks"
    for note in locks.iterdir():
        note.unlink()
    locks.rmdir()
    locks.symlink_to(tmp_path / "theirs")

    run = published.main()

    assert run.exit_code == 2
    last = run.stderr.splitlines()[-1]
    assert last.startswith(f"error: the lock folder {locks} is a link, or others can write to it")
    assert list((tmp_path / "theirs").iterdir()) == []


@pytest.mark.long
def test_no_files_of_commands_pile_up(published: Checkout) -> None:
    for key in ("a.csv", "b.csv"):
        assert published.main("--gokart-pipeline-sample.UploadS3Task-key", key).exit_code == 0
    assert [path.name for path in (published.workspace / "locks").iterdir()] == ["commands.lock"]
