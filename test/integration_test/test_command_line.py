"""The ways to call the pipeline."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout
from support.luigid import list_tasks, scheduling

from pipeline_runner.local_s3.embedded_s3 import OTHER_S3_VARIABLES

LUIGI = str(Path(sys.executable).with_name("luigi"))


def test_options_alone_go_to_the_default_task(published: Checkout) -> None:
    run = published.main("--require-acc", "0.95")

    assert run.exit_code == 0, run.stderr
    assert "accuracy   1.0000 (required: more than 0.95)" in run.stdout


def test_a_task_can_be_named(published: Checkout) -> None:
    run = published.main("gokart_pipeline_sample.RunTask", "--local-scheduler", "--require-acc", "0.95")

    assert run.exit_code == 0, run.stderr
    assert "required: more than 0.95" in run.stdout


def test_options_of_luigi_may_stand_before_the_task(published: Checkout) -> None:
    run = published.main("--local-scheduler", "gokart_pipeline_sample.RunNestTask", "--require-acc", "0.95")

    assert run.exit_code == 0, run.stderr
    assert "required: more than 0.95" in run.stdout
    assert "TrainTask" in run.tasks


def test_a_task_that_publishes_nothing_can_be_named(checkout: Checkout) -> None:
    run = checkout.main("gokart_pipeline_sample.PrepareDataTask", "--local-scheduler")

    assert (run.exit_code, run.stdout) == (0, "")
    assert run.tasks == ["LoadDataTask", "PreprocessTask", "SplitDataTask"]


@pytest.mark.parametrize("python_options", [(), ("-O",)])
def test_the_working_directory_and_python_options_make_no_difference(
    published: Checkout, tmp_path: Path, python_options: tuple[str, ...]
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    run = published.main(cwd=elsewhere, python_options=python_options)

    assert (run.exit_code, run.tasks) == (0, [])
    assert list(elsewhere.iterdir()) == []


def test_every_parameter_can_be_set_in_the_ini_file(published: Checkout) -> None:
    published.edit("conf/param.ini", "[core]", "[gokart_pipeline_sample.SplitDataTask]\ntest_fraction=0.4\n[core]")

    run = published.main()

    assert run.exit_code == 0, run.stderr
    assert "rows       60" in run.stdout


def test_help_describes_the_parameters_and_starts_nothing(checkout: Checkout) -> None:
    del checkout.environment["BUCKET_NAME"], checkout.environment["AWS_ENDPOINT_URL"]

    run = checkout.main("--help")

    assert run.exit_code == 0
    assert "Share of right predictions that the model must exceed." in " ".join(run.stdout.split())
    assert not checkout.workspace.exists()


def test_a_configuration_file_may_say_little(published: Checkout, tmp_path: Path) -> None:
    little = tmp_path / "little.ini"
    little.write_text("[gokart_pipeline_sample.UploadS3Task]\nbucket=${BUCKET_NAME}\n")

    run = published.main(LUIGI_CONFIG_PATH=str(little))

    assert (run.exit_code, run.tasks) == (0, [])


def test_two_projects_run_at_once(published: Checkout, tmp_path: Path) -> None:
    other = published.copy(tmp_path / "other")
    command = [sys.executable, "main.py"]
    with subprocess.Popen(command, cwd=other.directory, env=other.environment) as process:
        run = published.execute(command)
    assert (run.exit_code, process.returncode) == (0, 0)


@pytest.mark.parametrize(
    ("arguments", "variables", "last_line"),
    [
        pytest.param(["NoTask"], {}, "error: TaskClassNotFoundException: No task NoTask", id="unknown task"),
        pytest.param(["--no-option"], {}, "main.py: error: unrecognized arguments: --no-option", id="unknown option"),
        pytest.param(
            ["--require-acc", "high"], {}, "error: ValueError: could not convert string to float: 'high'", id="type"
        ),
        pytest.param([], {"LUIGI_CONFIG_PATH": "no.ini"}, "error: there is no configuration file no.ini", id="no file"),
        pytest.param([], {"LUIGI_CONFIG_PATH": "/dev/zero"}, "error: there is no configuration file", id="device"),
        pytest.param(
            [],
            {"LUIGI_CONFIG_PATH": sys.executable},
            f"error: the configuration file {sys.executable} is no text in UTF-8",
            id="binary file",
        ),
        pytest.param(
            ["--gokart-pipeline-sample.UploadS3Task-key", ""],
            {},
            "main.py: error: argument --gokart-pipeline-sample.UploadS3Task-key: expected a value",
            id="empty value",
        ),
        pytest.param(["--require-acc="], {}, "main.py: error: argument --require-acc: expected", id="no value"),
    ],
)
def test_a_wrong_command_line_is_said_in_one_line(
    checkout: Checkout, arguments: list[str], variables: dict[str, str], last_line: str
) -> None:
    run = checkout.main(*arguments, **variables)

    assert run.exit_code == 2
    assert run.stderr.splitlines()[-1].startswith(last_line)


@pytest.mark.parametrize("from_file", [True, False])
def test_any_locale_takes_any_key(published: Checkout, bucket: str, s3: S3Client, from_file: bool) -> None:
    key = "出力/größe.csv"
    options = () if from_file else ("--gokart-pipeline-sample.UploadS3Task-key", key)
    if from_file:
        published.edit("conf/param.ini", "key=output.csv", f"key={key}")

    run = published.main(*options, LC_ALL="C", PYTHONUTF8="0", PYTHONCOERCECLOCALE="0")

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"]), run.stderr
    assert f"published  s3://{bucket}/{key}" in run.stdout
    assert s3.head_object(Bucket=bucket, Key=key)["Metadata"]["rows"] == "30"


def test_luigis_own_command_line_does_the_same(published: Checkout, bucket: str, s3: S3Client) -> None:
    command = [LUIGI, "--module", "gokart_pipeline_sample", "gokart_pipeline_sample.RunTask", "--local-scheduler"]
    variables = {
        "LUIGI_CONFIG_PATH": "conf/param.ini",
        "LUIGI_CONFIG_PARSER": "ini",
        "PYTHONPATH": str(published.directory),
    }
    assert published.execute(command, **variables).exit_code == 0
    s3.delete_object(Bucket=bucket, Key="output.csv")

    run = published.execute(command, **variables)

    assert (run.exit_code, run.tasks) == (0, ["UploadS3Task"])
    assert "This progress looks :)" in run.stderr
    assert s3.head_object(Bucket=bucket, Key="output.csv")["Metadata"]["rows"] == "30"
    assert published.execute([*command, "--require-acc", "1.0"], **variables).exit_code == 40
    assert published.execute(command, **variables, BUCKET_NAME="not-there").exit_code == 50


@pytest.mark.parametrize("variable", OTHER_S3_VARIABLES)
def test_credentials_without_a_bucket_are_an_error(checkout: Checkout, variable: str) -> None:
    for name in ("BUCKET_NAME", "AWS_ENDPOINT_URL"):
        del checkout.environment[name]

    run = checkout.main(**{variable: "something"})

    assert run.exit_code == 2
    assert run.stderr.splitlines()[-1].startswith(f"error: {variable} is set, but BUCKET_NAME is not")
    assert not checkout.workspace.exists()


def test_luigis_central_scheduler_watches_the_run(published: Checkout, tmp_path: Path) -> None:
    with scheduling(tmp_path) as port:
        run = published.main("gokart_pipeline_sample.RunTask", "--scheduler-port", str(port), "--require-acc", "0.95")

        assert run.exit_code == 0, run.stderr
        states = {task["name"].rpartition(".")[2]: task["status"] for task in list_tasks(port).values()}

    assert run.tasks == ["CheckAccuracyTask", "UploadS3Task"]
    assert {states[task] for task in (*run.tasks, "RunTask", "EvaluateTask")} == {"DONE"}
    record = json.loads(max((published.workspace / "runs").glob("*.json")).read_text())
    assert record["verdict"] == "published"
