from __future__ import annotations

import gokart
import pytest

from gokart_pipeline_sample.utils.luigi_internals import restoring_luigi
from pipeline_runner.notebook import configured


class FailingTask(gokart.TaskOnKart[str]):
    """It makes nothing."""


class TestConfigured:
    def test_knows_its_sections_after_a_build_elsewhere(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BUCKET_NAME", "some-bucket")
        with restoring_luigi():  # For other tests.
            with pytest.raises(FileNotFoundError):
                gokart.build(FailingTask())
            for _ in range(2):
                with configured():
                    pass
