from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipeline_runner import history
from pipeline_runner.history import History, RunRecord


@pytest.fixture
def runs(workspace: Path) -> History:
    return History(str(workspace))


class TestHistory:
    def test_is_empty_at_first(self, runs: History, workspace: Path) -> None:
        assert list(runs.records()) == []
        assert str(runs) == "when  verdict  accuracy  rows  duration  object"
        assert list(workspace.iterdir()) == []

    def test_gives_the_newest_record_first(self, runs: History, record: RunRecord) -> None:
        for number in (1, 2, 3):
            runs.add(f"2026010{number}", {**record, "rows": number})
        assert [each["rows"] for each in runs.records()] == [3, 2, 1]

    def test_gives_the_records_of_one_task(self, runs: History, record: RunRecord) -> None:
        runs.add("1", record)
        runs.add("2", {**record, "task": "gokart_pipeline_sample.RunNestTask"})
        assert list(runs.records("gokart_pipeline_sample.RunTask")) == [record]

    def test_shows_a_line_for_each_run(self, runs: History, record: RunRecord) -> None:
        runs.add("1", {**record, "seconds": 12.345})
        runs.add("2", {**record, "verdict": "failed", "accuracy": None, "rows": None, "object": None, "seconds": 0.5})
        header, published, failed = str(runs).splitlines()
        assert header.split() == ["when", "verdict", "accuracy", "rows", "duration", "object"]
        when = r"2026-01-0\d \d\d:\d\d:05"
        assert re.fullmatch(rf"{when}  published  0\.9500    30    12\.35 s   s3://some-bucket/output\.csv", published)
        assert re.fullmatch(rf"{when}  failed {{21}}0\.50 s", failed)
        assert published.index("12.35") == header.index("duration") == failed.index("0.50")

    def test_forgets_the_oldest_with_their_reports(
        self, runs: History, record: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "KEPT_RUNS", 2)
        for number in ("1", "2", "3"):
            runs.folder.write(f"{number}.html", b"", "text/html")
            runs.add(number, record)
        assert runs.folder.names() == ["2.html", "2.json", "3.html", "3.json"]

    def test_does_not_forget_what_ran_for_runs_that_were_up_to_date(
        self, runs: History, record: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "KEPT_RUNS", 2)
        runs.add("1", record)
        for number in ("2", "3", "4"):
            runs.add(number, {**record, "verdict": "up to date"})
        assert [each["verdict"] for each in runs.records()] == ["up to date", "up to date", "published"]

    def test_passes_over_a_record_that_is_damaged(
        self, runs: History, record: RunRecord, caplog: pytest.LogCaptureFixture
    ) -> None:
        runs.add("1", record)
        runs.folder.write("2.json", b"{", "application/json")
        runs.folder.write("3.json", b"[]", "application/json")
        runs.folder.write("4.json", b'{"task": "gokart_pipeline_sample.RunTask"}', "application/json")
        assert list(runs.records()) == [record]
        assert "2.json is no record that can be read" in caplog.text
