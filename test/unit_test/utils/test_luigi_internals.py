from __future__ import annotations

import logging

import gokart
import luigi
import pytest
from luigi.setup_logging import InterfaceLogging
from luigi.task_register import Register

from gokart_pipeline_sample.utils.luigi_internals import restoring_luigi


class ListedTask(gokart.TaskOnKart[str]):
    """It makes nothing."""


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
