from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator

import gokart
import luigi
import pytest
from luigi.setup_logging import InterfaceLogging
from luigi.task_register import Register

from gokart_pipeline_sample.pipeline import upload
from gokart_pipeline_sample.utils.luigi_internals import restoring_luigi


class ListedTask(gokart.TaskOnKart[str]):
    """It makes nothing."""


@pytest.fixture
def fresh() -> Iterator[None]:
    """List the same tasks afterwards, for other tests."""
    tasks = list(Register._reg)
    yield
    Register._reg = tasks


@pytest.mark.usefixtures("fresh")
class TestAfterABuildElsewhere:
    @pytest.fixture(autouse=True)
    def build(self) -> None:
        """Build some pipeline, after which gokart lists no task of the program."""
        with pytest.raises(FileNotFoundError):
            gokart.build(ListedTask())
        assert not any(name.startswith("gokart_pipeline_sample") for name in Register.task_names())

    def test_lists_the_tasks_of_the_pipeline_and_of_other_modules(self) -> None:
        with restoring_luigi():
            assert {ListedTask.get_task_family(), "gokart_pipeline_sample.RunTask"} <= {*Register.task_names()}

    def test_lists_what_was_defined_since(self) -> None:
        class LocalTask(gokart.TaskOnKart[str]):
            """It is in no module."""

        with restoring_luigi():
            assert Register.get_task_cls(LocalTask.get_task_family()) is LocalTask

    def test_lists_a_task_that_was_defined_twice_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for _ in range(2):  # As a cell of a notebook is.
            task = type("RedefinedTask", (gokart.TaskOnKart,), {"__module__": __name__})
            monkeypatch.setattr(sys.modules[__name__], "RedefinedTask", task, raising=False)
        with restoring_luigi():
            assert Register.get_task_cls("RedefinedTask") is task


@pytest.mark.usefixtures("fresh")
class TestAfterAReload:
    def test_lists_the_new_class(self) -> None:
        old = upload.UploadS3Task
        new = importlib.reload(upload).UploadS3Task
        try:
            with restoring_luigi():
                assert Register.get_task_cls("gokart_pipeline_sample.UploadS3Task") is new is not old
        finally:
            upload.UploadS3Task = old


class TestRestoringLuigi:
    def test_lists_the_tasks_that_a_build_removes(self) -> None:
        with restoring_luigi():
            with pytest.raises(FileNotFoundError):
                gokart.build(ListedTask())
            assert ListedTask.get_task_family() not in Register.task_names()
        assert ListedTask.get_task_family() in Register.task_names()

    def test_keeps_luigi_from_setting_up_logging_meanwhile(self) -> None:
        handlers = list(logging.getLogger("luigi-interface").handlers)
        with restoring_luigi():
            assert not InterfaceLogging.setup(luigi.interface.core())
        assert logging.getLogger("luigi-interface").handlers == handlers
