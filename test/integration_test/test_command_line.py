"""The ways to call the pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout, make_environment
from support.luigid import list_tasks, scheduling

from pipeline_runner.local_s3.embedded_s3 import OTHER_S3_VARIABLES

LUIGI = str(Path(sys.executable).with_name("luigi"))


def test_options_alone_go_to_the_default_task(published: Checkout) -> None:
    run = published.main("--require-acc", "0.95")

    assert run.exit_code == 0, run.stderr
    assert "accuracy   1.0000 (required: more than 0.95)" in run.stdout


def test_a_task_and_options_of_others_can_be_named_without_the_namespace(published: Checkout) -> None:
    run = published.main("RunTask", "--require-acc", "0.95", "--UploadS3Task-key", "other.csv")

    assert run.exit_code == 0, run.stderr
    assert "required: more than 0.95" in run.stdout
    assert run.stdout.splitlines()[-1].endswith("/other.csv")


def test_options_of_luigi_may_stand_before_the_task(published: Checkout) -> None:
    run = published.main("--local-scheduler", "gokart_pipeline_sample.RunNestTask", "--require-acc", "0.95")

    assert run.exit_code == 0, run.stderr
    assert "required: more than 0.95" in run.stdout
    assert "TrainTask" in run.tasks


def test_a_task_that_publishes_nothing_can_be_named(checkout: Checkout) -> None:
    run = checkout.main("PrepareDataTask")

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


@pytest.mark.parametrize(
    ("option", "least", "most"), [pytest.param("--help", 20, 40), pytest.param("--help-all", 1000, 10_000)]
)
def test_help_describes_the_parameters_and_starts_nothing(
    checkout: Checkout, option: str, least: int, most: int
) -> None:
    del checkout.environment["BUCKET_NAME"], checkout.environment["AWS_ENDPOINT_URL"]

    run = checkout.main(option)

    assert run.exit_code == 0
    assert "Share of right predictions to exceed" in " ".join(run.stdout.split())
    assert least < len(run.stdout.splitlines()) < most
    assert not checkout.workspace.exists()


def test_a_python_without_the_packages_is_said_in_one_line(checkout: Checkout) -> None:
    """As outside of .venv: without its packages."""
    run = checkout.main(python_options=("-S",))

    assert (run.exit_code, run.stdout) == (2, "")
    assert run.stderr == "error: this Python lacks the packages: run make setup, and then .venv/bin/python main.py\n"


def test_an_import_that_fails_within_the_pipeline_is_not_hidden(checkout: Checkout) -> None:
    checkout.edit("gokart_pipeline_sample/pipeline/upload.py", "import luigi\n", "import luigi\nimport not_there\n")

    run = checkout.main()

    assert run.exit_code == 1
    assert "Traceback" in run.stderr
    assert run.stderr.splitlines()[-1] == "ModuleNotFoundError: No module named 'not_there'"


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
        pytest.param(["NoTask", "--help"], {}, "error: TaskClassNotFoundException: No task NoTask", id="help on it"),
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
        pytest.param(["--take-lock"], {}, "error: take_lock and lock_size are not available", id="signal to others"),
        pytest.param(["--lock-size", "2"], {}, "error: take_lock and lock_size are not available", id="two at once"),
        pytest.param(["--workers", "0"], {}, "error: workers is 0: give at least 1", id="no workers"),
        pytest.param(
            ["--gokart-pipeline-sample.UploadS3Task-key", "out/"],
            {},
            "error: the key 'out/' is that of a folder",
            id="key",
        ),
        pytest.param(
            ["--gokart-pipeline-sample.TrainTask-lightgbm", '{"eta": 0.1}'],
            {},
            "error: lightgbm cannot have eta: set learning_rate of TrainTask",
            id="lightgbm",
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


def test_a_byte_order_mark_is_no_part_of_a_file(published: Checkout) -> None:
    path = published.directory / "conf" / "param.ini"
    path.write_text(path.read_text(), "utf-8-sig")

    run = published.main(LUIGI_CONFIG_PARSER="toml")  # What luigi's own command line would need does not matter.

    assert (run.exit_code, run.tasks) == (0, []), run.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize(
    ("path", "mode", "file"),
    [("conf/param.ini", 0o600, "conf/param.ini"), ("conf", 0o700, "conf/param.ini")],
)
def test_a_configuration_of_another_user_is_not_taken_for_none(path: str, mode: int, file: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        checkout = Checkout.create(Path(folder) / "checkout", make_environment(BUCKET_NAME="some-bucket"))
        (checkout.directory / path).chmod(mode)
        as_nobody = ["setpriv", "--reuid", "65534", "--clear-groups"]

        run = checkout.execute([*as_nobody, sys.executable, "main.py"])

    assert (run.exit_code, run.stdout) == (2, "")
    assert run.stderr.splitlines() == [f"error: [Errno 13] Permission denied: '{checkout.directory}/{file}'"]


def test_a_logging_configuration_that_cannot_be_read_is_said_in_one_line(checkout: Checkout) -> None:
    path = checkout.directory / "conf" / "logging.ini"
    path.unlink()
    path.symlink_to(path)

    run = checkout.main()

    assert run.exit_code == 2
    assert run.stderr.splitlines() == [f"error: OSError: [Errno 40] Too many levels of symbolic links: '{path}'"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("[loggers\n", "no section headers. file: '{path}', line: 1 '[loggers\\n'"),
        ("\ufeff[loggers]\n", "no section headers. file: '{path}', line: 1 '\\ufeff[loggers]\\n'"),
        (None, "No such file or directory: '{path}'"),
    ],
    ids=["no ini file", "byte order mark", "no file"],
)
def test_a_logging_configuration_that_is_wrong_is_said_in_one_line(
    checkout: Checkout, content: str | None, reason: str
) -> None:
    path = checkout.directory / "other.ini"
    if content is not None:
        path.write_text(content, "utf-8")

    run = checkout.main("--logging-conf-file", str(path))

    assert run.exit_code == 2
    (line,) = run.stderr.splitlines()
    assert line.startswith("error: ")
    assert line.endswith(reason.format(path=path))


@pytest.mark.parametrize(
    ("prepare", "arguments", "last_line"),
    [
        pytest.param(
            "exec <&-",
            "--new-table table.csv --id id --target target",
            "error: nobody can be asked whether to write this: add --yes",
            id="no stdin",
        ),
        pytest.param(
            "ulimit -v 300000",
            "--history",
            "the memory does not suffice: raise its limit (ulimit -v, or that of the container)",
            id="little memory",
        ),
    ],
)
def test_a_shell_that_gives_little_is_said_in_one_line(
    checkout: Checkout, prepare: str, arguments: str, last_line: str
) -> None:
    rows = "".join(f"{number},{number % 7},{number % 2}\n" for number in range(300))
    (checkout.directory / "table.csv").write_text(f"id,x,target\n{rows}")
    code = f'{prepare}; exec "{sys.executable}" main.py {arguments}'

    run = checkout.execute(["sh", "-c", code])

    assert run.exit_code == 2
    assert run.stderr.startswith("error: ")
    assert run.stderr.splitlines()[-1].endswith(last_line)
    assert "Traceback" not in run.stderr


def test_modes_of_gokart_that_run_nothing_are_refused(checkout: Checkout) -> None:
    run = checkout.main("--tree-info-mode", "all")

    assert run.exit_code == 2
    assert run.stderr.splitlines()[-1].endswith("it would have no effect here, or a wrong one: use --plan")

    checkout.edit("conf/param.ini", "[core]\n", "[test_run]\npandas=true\n\n[core]\n")
    run = checkout.main()
    assert run.exit_code == 2
    assert run.stderr == "error: the section [test_run] of the configuration would have no effect: use --plan\n"


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


@pytest.mark.parametrize(
    "variable",
    [*OTHER_S3_VARIABLES[:3], *(pytest.param(each, marks=pytest.mark.long) for each in OTHER_S3_VARIABLES[3:])],
)
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
