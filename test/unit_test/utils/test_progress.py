from __future__ import annotations

import io
import logging
import re
import sys
import threading

import pytest

from gokart_pipeline_sample.utils import progress
from gokart_pipeline_sample.utils.progress import showing_progress


class Stderr(io.StringIO):
    def __init__(self, is_terminal: bool) -> None:
        super().__init__()
        self._is_terminal = is_terminal

    def isatty(self) -> bool:
        return self._is_terminal


def replace_stderr(monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> Stderr:
    """Do it in the test itself, because pytest has a stderr of its own for each step of a test."""
    stderr = Stderr(is_terminal)
    monkeypatch.setattr(sys, "stderr", stderr)
    return stderr


@pytest.fixture
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_BAR_AFTER_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_LINE_EVERY_SECONDS", 0.0)


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger=progress.__name__)
    return caplog


class TestShowingProgress:
    @pytest.mark.usefixtures("_at_once")
    def test_logs_lines_elsewhere_than_on_a_terminal(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stderr = replace_stderr(monkeypatch, is_terminal=False)
        with showing_progress("scored", 2_000_000, "rows") as bar:
            for _ in range(3):
                bar.update(500_000)
        lines = log.messages
        assert any(line.startswith("scored: 1.50M of 2.00M rows (") for line in lines)
        assert all(line.endswith(" left") and line == line.strip() for line in lines)
        assert {(record.name, record.levelname) for record in log.records} == {(progress.__name__, "INFO")}
        assert stderr.getvalue() == ""

    @pytest.mark.usefixtures("_at_once")
    def test_foresees_no_end_that_is_not_known(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace_stderr(monkeypatch, is_terminal=False)
        with showing_progress("trained", None, "rounds") as bar:
            bar.set_postfix_str("best 6, at most 5,000", refresh=False)
            bar.update(1106)
        assert re.fullmatch(r"trained: 1106 rounds in \d\d:\d\d, best 6, at most 5,000", log.messages[-1])

    @pytest.mark.usefixtures("_at_once")
    def test_tells_of_rounds_that_become_slow(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace_stderr(monkeypatch, is_terminal=False)
        with showing_progress("trained", None, "rounds") as bar:
            for _ in range(1000):
                bar.update(1)
            before = len(log.messages)
            bar.update(1)
        assert len(log.messages) == before + 1

    @pytest.mark.usefixtures("_at_once")
    def test_draws_a_bar_on_a_terminal_and_wipes_it_away(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stderr = replace_stderr(monkeypatch, is_terminal=True)
        with showing_progress("scored", 10, "rows") as bar:
            bar.update(5)
            assert "scored" in stderr.getvalue()
        *_, blank, end = stderr.getvalue().split("\r")
        assert blank.strip() == end == ""
        assert "\n" not in stderr.getvalue()
        assert log.messages == []

    @pytest.mark.parametrize("is_terminal", [False, True])
    def test_says_nothing_of_what_is_over_quickly(
        self, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, is_terminal: bool
    ) -> None:
        stderr = replace_stderr(monkeypatch, is_terminal)
        with showing_progress("scored", 10, "rows") as bar:
            for _ in range(10):
                bar.update(1)
        assert stderr.getvalue().strip() == ""
        assert log.messages == []

    @pytest.mark.usefixtures("_at_once")
    @pytest.mark.parametrize("is_terminal", [False, True])
    @pytest.mark.parametrize(("total", "done"), [(None, 5), (0, 0), (0, 5), (3, 5)])
    def test_takes_a_total_that_is_wrong_or_not_known(
        self,
        log: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
        is_terminal: bool,
        total: int | None,
        done: int,
    ) -> None:
        stderr = replace_stderr(monkeypatch, is_terminal)
        with showing_progress("scored", total, "rows") as bar:
            bar.update(done)
        assert "scored" in (stderr.getvalue() if is_terminal else log.text)

    @pytest.mark.parametrize("is_terminal", [False, True])
    def test_starts_no_thread(self, monkeypatch: pytest.MonkeyPatch, is_terminal: bool) -> None:
        replace_stderr(monkeypatch, is_terminal)
        with showing_progress("scored", 10, "rows") as bar:
            bar.update(1)
        assert "TMonitor" not in {type(thread).__name__ for thread in threading.enumerate()}
