from __future__ import annotations

from collections.abc import Callable, Iterator

import luigi
import pytest

import gokart_pipeline_sample
from gokart_pipeline_sample import RunTask
from pipeline_runner.cli.root_task import complete, resolving, show_help
from pipeline_runner.errors import UsageError

RUN_TASKS = [name for name in vars(gokart_pipeline_sample) if name.endswith("Task")]
NAMESPACE = "gokart_pipeline_sample"
LOCAL = "--local-scheduler"


@pytest.fixture
def core() -> Iterator[Callable[[str], None]]:
    """Sets an option of [core]."""
    config = luigi.configuration.get_config()
    names: list[str] = []

    def set_option(name: str) -> None:
        names.append(name)
        config.set("core", name, "false" if name == "local_scheduler" else "some-host")

    yield set_option
    for name in names:
        config.remove_option("core", name)


class TestComplete:
    @pytest.mark.parametrize("arguments", [[], ["--require-acc", "0.95"], ["--workers", "2"], ["--prefix", "email"]])
    def test_options_alone_go_to_the_default_task(self, arguments: list[str]) -> None:
        assert complete(arguments) == [f"{NAMESPACE}.RunTask", LOCAL, *arguments]

    @pytest.mark.parametrize("task", ["RunNestTask", f"{NAMESPACE}.RunNestTask"])
    @pytest.mark.parametrize("place", [0, 1, 3])
    def test_a_task_may_lack_its_namespace_and_stand_anywhere(self, task: str, place: int) -> None:
        options = ["--workers=2", "--require-acc", "0.5"]
        arguments = [*options[:place], task, *options[place:]]
        assert complete(arguments) == [f"{NAMESPACE}.RunNestTask", LOCAL, *options]

    def test_a_name_that_is_a_value_stays_as_it_is(self) -> None:
        arguments = ["RunBatchTask", "--prefix", "RunTask", "--table", "TrainTask"]
        assert complete(arguments) == [f"{NAMESPACE}.RunBatchTask", LOCAL, *arguments[1:]]

    def test_a_task_that_is_unknown_is_left_to_luigi(self) -> None:
        assert complete(["NoTask", "--x"]) == ["NoTask", LOCAL, "--x"]

    @pytest.mark.parametrize(
        ("option", "expected"),
        [
            ("--TrainTask-num-leaves=15", "--gokart-pipeline-sample.TrainTask-num-leaves=15"),
            ("--Report-write", "--gokart-pipeline-sample.Report-write"),
            ("--gokart-pipeline-sample.TrainTask-seed", "--gokart-pipeline-sample.TrainTask-seed"),
            ("--NoTask-seed", "--NoTask-seed"),
        ],
    )
    def test_an_option_of_another_task_may_lack_the_namespace(self, option: str, expected: str) -> None:
        assert complete([option, "1"]) == [f"{NAMESPACE}.RunTask", LOCAL, expected, "1"]

    @pytest.mark.parametrize(
        "options", [[LOCAL], ["--scheduler-host", "here"], ["--scheduler-port=8082"], ["--scheduler-url=http://here"]]
    )
    def test_the_scheduler_may_be_another_one(self, options: list[str]) -> None:
        assert complete(["RunTask", *options]) == [f"{NAMESPACE}.RunTask", *options]

    @pytest.mark.parametrize("name", ["scheduler_host", "scheduler_url", "local_scheduler"])
    def test_the_configuration_may_name_another_scheduler(self, name: str, core: Callable[[str], None]) -> None:
        core(name)
        assert complete([]) == [f"{NAMESPACE}.RunTask"]

    def test_settings_of_a_scheduler_name_none(self) -> None:
        assert complete(["--scheduler-retry-count", "1"])[1] == LOCAL


class TestShowHelp:
    @pytest.mark.parametrize("task", RUN_TASKS)
    def test_fits_a_screen(
        self, task: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("COLUMNS", "80")
        assert show_help([task]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert 20 <= len(lines) <= 40
        assert max(map(len, lines)) <= 88
        assert f"options of {task}:" in lines
        assert all(name in "".join(lines) for name in RUN_TASKS)

    def test_shows_the_parameters_of_the_task_and_none_of_gokart(self, capsys: pytest.CaptureFixture[str]) -> None:
        show_help(["--require-acc", "0.95"])
        shown = " ".join(capsys.readouterr().out.split())
        assert "--require-acc … Share of right predictions to exceed" in shown
        assert "--fetch [KEY]" in shown
        assert not any(option in shown for option in ("redis", "--rerun", LOCAL, "permitted"))


class TestResolving:
    def test_makes_the_task_that_luigi_makes(self) -> None:
        with resolving(["--require-acc", "0.5", "--gokart-pipeline-sample.Report-write", "false"]) as root:
            assert root.graph.root is RunTask(require_acc=0.5)
        assert root.graph.root.require_acc == 0.5
        assert (root.report.write, root.report.publish) == (False, True)
        assert root.graph.error is None
        assert root.arguments[:2] == [f"{NAMESPACE}.RunTask", LOCAL]

    def test_names_a_value_that_is_wrong(self) -> None:
        problem = "could not convert string to float: 'high'"
        with pytest.raises(UsageError, match=problem), resolving(["--require-acc", "high"]):
            pass

    @pytest.mark.parametrize(
        ("option", "problem"),
        [
            ("kms-key-id=alias/key", "kms_key_id has no effect without"),
            ("key=daily/", "the key 'daily/' is that of a folder"),
            ("bucket=s3://b", "the bucket is 's3://b'"),
        ],
    )
    def test_refuses_a_parameter_of_any_task_that_cannot_be_meant(self, option: str, problem: str) -> None:
        arguments = [f"--gokart-pipeline-sample.UploadS3Task-{option}"]
        with pytest.raises(UsageError, match=f"^{problem}"), resolving(arguments):
            pass

    def test_refuses_to_publish_a_column_that_no_new_row_has(self) -> None:
        arguments = ["--gokart-pipeline-sample.MakeOutputTask-publish", '["petal_width", "day"]']
        with pytest.raises(UsageError, match=r"^publish cannot have \['day'\]: give some of"), resolving(arguments):
            pass

    @pytest.mark.parametrize("workers", ["0", "-1"])
    def test_refuses_to_run_without_workers(self, workers: str) -> None:
        problem = f"^workers is {workers}: give at least 1"
        with pytest.raises(UsageError, match=problem), resolving(["--workers", workers]):
            pass

    def test_refuses_to_run_a_view_again(self) -> None:
        problem = r"^RunTask has nothing to run again: name a task \(--TASK-rerun\)"
        with pytest.raises(UsageError, match=problem), resolving(["--rerun"]):
            pass

    def test_names_a_task_that_is_unknown(self) -> None:
        with pytest.raises(UsageError, match="No task Unknown"), resolving(["Unknown"]):
            pass

    def test_keeps_the_error_of_a_task_that_cannot_tell_its_requirements(self) -> None:
        with resolving(["--gokart-pipeline-sample.LoadDataTask-table", "/not/there.csv"]) as root:
            pass
        assert list(root.graph.names.values()) == ["RunTask"]
        assert "/not/there.csv" in str(root.graph.error)
