from __future__ import annotations

import logging
from collections.abc import Iterator

import gokart
import luigi
import pytest
from gokart.build import GokartBuildError
from luigi.configuration import get_config
from luigi.task_register import Register

from pipeline_runner.notebook import configured


class FailingTask(gokart.TaskOnKart[str]):
    """It makes nothing."""


@pytest.fixture
def fresh() -> Iterator[None]:
    """List the same tasks afterwards, for other tests."""
    tasks = list(Register._reg)
    yield
    Register._reg = tasks


@pytest.mark.usefixtures("fresh")
class TestConfigured:
    def test_knows_its_sections_after_a_build_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BUCKET_NAME", "some-bucket")
        with pytest.raises(FileNotFoundError):
            gokart.build(FailingTask())
        assert not any(name.startswith("gokart_pipeline_sample") for name in Register.task_names())
        for _ in range(2):
            with configured():
                pass

    def test_keeps_luigi_from_setting_up_logging(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BUCKET_NAME", "some-bucket")
        with configured():
            assert get_config().getboolean("core", "no_configure_logging")
            handlers = list(logging.getLogger("luigi-interface").handlers)
            with pytest.raises(GokartBuildError):
                gokart.build(FailingTask())
            assert logging.getLogger("luigi-interface").handlers == handlers
        assert not luigi.configuration.get_config().has_option("core", "no_configure_logging")
