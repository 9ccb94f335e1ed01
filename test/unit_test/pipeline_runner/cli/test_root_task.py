from __future__ import annotations

import pytest

from gokart_pipeline_sample import RunNestTask, RunTask
from pipeline_runner.cli.root_task import DEFAULT_TASK, resolving
from pipeline_runner.errors import UsageError

NESTED = ["gokart_pipeline_sample.RunNestTask", "--local-scheduler"]


class TestArguments:
    @pytest.mark.parametrize("arguments", [[], ["--require-acc", "0.95"], ["--workers", "2"]])
    def test_options_alone_go_to_the_default_task(self, arguments: list[str]) -> None:
        with resolving(arguments) as root:
            assert root.arguments == [*DEFAULT_TASK, *arguments]
        assert isinstance(root.graph.root, RunTask)

    @pytest.mark.parametrize("arguments", [NESTED, NESTED[::-1]])
    def test_leaves_a_task_as_it_is(self, arguments: list[str]) -> None:
        with resolving(arguments) as root:
            assert root.arguments == arguments
        assert isinstance(root.graph.root, RunNestTask)


class TestResolving:
    def test_makes_the_task_that_luigi_makes(self) -> None:
        with resolving(["--require-acc", "0.5", "--gokart-pipeline-sample.Report-write", "false"]) as root:
            assert root.graph.root is RunTask(require_acc=0.5)
        assert root.graph.root.require_acc == 0.5
        assert (root.report.write, root.report.publish) == (False, True)
        assert root.graph.error is None
        assert root.arguments[:2] == DEFAULT_TASK

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

    def test_names_a_task_that_is_unknown(self) -> None:
        with pytest.raises(UsageError, match="No task Unknown"), resolving(["Unknown"]):
            pass

    def test_keeps_the_error_of_a_task_that_cannot_tell_its_requirements(self) -> None:
        with resolving(["--gokart-pipeline-sample.LoadDataTask-table", "/not/there.csv"]) as root:
            pass
        assert list(root.graph.names.values()) == ["RunTask"]
        assert "/not/there.csv" in str(root.graph.error)
