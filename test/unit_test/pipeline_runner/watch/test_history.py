from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from support.number import predict_number

from pipeline_runner.watch import history
from pipeline_runner.watch.history import BARS, History, RunRecord, collect_series, draw_bars, show_figure


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

    def test_remembers_the_last_runs_of_a_task_alone(
        self, runs: History, record: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "LAST_RUNS", 2)
        for number, task in enumerate(("a", "a", "b", "a")):
            runs.add(str(number), {**record, "rows": number, "task": task})
        assert [each["rows"] for each in runs.records("a")] == [3, 1]
        assert [each["rows"] for each in runs.records()] == [3, 2]

    def test_gives_the_records_of_one_task(self, runs: History, record: RunRecord) -> None:
        runs.add("1", record)
        runs.add("2", {**record, "task": "gokart_pipeline_sample.RunNestTask"})
        assert list(runs.records("gokart_pipeline_sample.RunTask")) == [record]

    def test_shows_a_line_for_each_run(self, runs: History, record: RunRecord) -> None:
        runs.add("1", {**record, "seconds": 12.345})
        runs.add("2", {**record, "verdict": "failed", "accuracy": None, "rows": None, "object": None, "seconds": 0.5})
        header, published, failed, _ = str(runs).splitlines()
        assert header.split() == ["when", "verdict", "accuracy", "rows", "duration", "object"]
        when = r"2026-01-0\d \d\d:\d\d:05"
        assert re.fullmatch(rf"{when}  published  0\.9500    30    12\.35 s   s3://some-bucket/output\.csv", published)
        assert re.fullmatch(rf"{when}  failed {{21}}0\.50 s", failed)
        assert published.index("12.35") == header.index("duration") == failed.index("0.50")

    def test_shows_the_estimate_and_the_alarms_of_a_batch(self, runs: History, record: RunRecord) -> None:
        runs.add("1", record)
        runs.add("2", {**record, "estimated": (0.91234, 0.9, 0.92), "alarms": [], "share": 1.0})
        alarms = ["petal_width: no", "petal_length: no"]
        runs.add("3", {**record, "estimated": (0.8, 0.7, 0.9), "alarms": alarms, "share": 0.87})
        runs.add("4", {**record, "rows": 0, "alarms": ["rows: no"], "share": 0.0})
        header, *lines = str(runs).splitlines()
        columns = ["when", "verdict", "accuracy", "estimated", "alarms", "rows", "share", "duration", "object"]
        assert header.split() == columns
        assert [line[header.index("estimated") : header.index("duration")].split() for line in lines[:4]] == [
            ["30"],
            ["0.9123", "0", "30", "1.0"],
            ["0.8000", "2", "30", "0.87"],
            ["1", "0", "0.0"],
        ]

    def test_shows_the_error_of_a_number_and_no_accuracy(
        self, runs: History, record: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        predict_number(monkeypatch)
        assert str(runs).split() == ["when", "verdict", "mae", "rows", "duration", "object"]
        task = record["tasks"][0]
        batch = {**record, "accuracy": None, "mae": 0.24437, "estimated": (12345.678, 0.1, 0.4), "tasks": [task]}
        runs.add("1", batch)  # type: ignore[arg-type]
        uri = f"s3://bucket/batch/{task['unique_id']}/evaluation.json"
        runs.add("2", {**batch, "mae": 0.30001, "estimated": None, "tasks": [], "object": uri})  # type: ignore[typeddict-item]
        header, *lines = str(runs).splitlines()
        assert header.split() == ["when", "verdict", "mae", "estimated", "real", "rows", "duration", "object"]
        assert [line[header.index("mae") : header.index("rows")].split() for line in lines[:2]] == [
            ["0.2444", "12346", "0.3"],
            ["0.3"],
        ]
        assert "mae       ▁█  0.24437 to 0.30001" in lines

    def test_shows_the_decision_of_the_runs_that_have_one(self, runs: History, record: RunRecord) -> None:
        runs.add("1", record)
        runs.add("2", {**record, "decision": "1:recall>=0.9"})
        header, first, second, *_ = str(runs).splitlines()
        assert header.split() == ["when", "verdict", "accuracy", "decision", "rows", "duration", "object"]
        assert [line[header.index("decision") : header.index("rows")].strip() for line in (first, second)] == [
            "",
            "1:recall>=0.9",
        ]

    def test_draws_the_figures_that_are_known_of_more_than_one_run(self, runs: History, record: RunRecord) -> None:
        figures = [(0.5, 10), (None, None), (0.75, 30), (1.0, 20)]
        for number, (accuracy, rows) in enumerate(figures):
            runs.add(str(number), {**record, "accuracy": accuracy, "rows": rows, "seconds": 2.0})
        assert str(runs).splitlines()[5:] == [
            "accuracy  ▁▅█  0.5 to 1",
            "rows      ▁█▅  10 to 30",
            "seconds   ▁▁▁▁  2 to 2",
        ]

    def test_draws_nothing_of_a_single_run(self, runs: History, record: RunRecord) -> None:
        runs.add("1", record)
        assert len(str(runs).splitlines()) == 2

    def test_reads_a_record_of_a_version_without_estimates(self, runs: History, record: RunRecord) -> None:
        old = {
            name: value
            for name, value in record.items()
            if name not in ("estimated", "alarms", "champion", "mae", "decision")
        }
        runs.add("1", old)
        assert list(runs.records()) == [old]
        assert not {"estimated", "mae", "decision"} & set(str(runs).split())
        assert collect_series([old])["estimated"] == [None]

    def test_names_each_record(self, runs: History, record: RunRecord) -> None:
        runs.add("1", record)
        runs.add("2", {**record, "verdict": "up to date"})
        assert [name for name, _ in runs.named_records()] == ["2_up-to-date.json", "1.json"]

    def test_leaves_nothing_half_written_on_a_full_disk(self, tmp_path: Path) -> None:
        mount = ["mount", "-t", "tmpfs", "-o", "size=8k", "tmpfs", str(tmp_path)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("only root may mount a small disk")
        try:
            with pytest.raises(OSError, match="No space left on device"):
                History(str(tmp_path)).write("a.json", b"1" * 100_000, "text/plain")
            assert list((tmp_path / "runs").iterdir()) == []
        finally:
            subprocess.run(["umount", str(tmp_path)], check=True)  # noqa: S607

    def test_replaces_a_document(self, runs: History, workspace: Path) -> None:
        for content in (b"two", b"three"):
            runs.write("b.html", content, "text/html")
        assert (workspace / "runs" / "b.html").read_bytes() == b"three"
        assert Path(History(f"{workspace}/").locate("b.html")).read_bytes() == b"three"

    def test_deletes_a_record_with_its_report(self, runs: History, workspace: Path, record: RunRecord) -> None:
        for number in ("1", "2"):
            runs.write(f"{number}.html", b"", "text/html")
            runs.add(number, record)
        for _ in range(2):
            runs.delete("1.json")
        assert sorted(path.name for path in (workspace / "runs").iterdir()) == ["2.html", "2.json"]

    def test_forgets_the_oldest_with_their_reports(
        self, runs: History, workspace: Path, record: RunRecord, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(history, "KEPT_RUNS", 2)
        for number in ("1", "2", "3"):
            runs.write(f"{number}.html", b"", "text/html")
            runs.add(number, record)
        assert sorted(path.name for path in (workspace / "runs").iterdir()) == ["2.html", "2.json", "3.html", "3.json"]

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
        runs.write("2.json", b"{", "application/json")
        runs.write("3.json", b"[]", "application/json")
        runs.write("4.json", b'{"task": "gokart_pipeline_sample.RunTask"}', "application/json")
        assert list(runs.records()) == [record]
        assert "2.json is no record that can be read" in caplog.text


class TestDrawBars:
    @pytest.mark.parametrize(
        ("values", "bars"),
        [
            ([0.0, 1.0], "▁█"),
            ([float(value) for value in range(8)], BARS),
            ([3.0, 3.0], "▁▁"),
            ([-5.0], "▁"),
            ([1e-300, 0.0, 2e-300], "▅▁█"),
        ],
    )
    def test_draws_the_least_and_the_greatest_as_such(self, values: list[float], bars: str) -> None:
        assert draw_bars(values) == bars


class TestShowFigure:
    @pytest.mark.parametrize(
        ("value", "shown"),
        [
            (None, ""),
            (0.0, "0"),
            (0.244378, "0.2444"),
            (-0.0000123456, "-1.235e-05"),
            (9999.4, "9999"),
            (123456.7, "123457"),
            (1e300, "1e+300"),
        ],
    )
    def test_is_short_whatever_the_size(self, value: float | None, shown: str) -> None:
        assert show_figure(value) == shown

    def test_gives_fewer_digits_to_who_wants_fewer(self) -> None:
        assert [show_figure(value, digits=2) for value in (0.244378, 38.44, 384.4)] == ["0.24", "38", "384"]

    def test_gives_a_share_four_decimals(self) -> None:
        assert [show_figure(value, is_number=False) for value in (1.0, 0.5, 0.0)] == ["1.0000", "0.5000", "0.0000"]


class TestCollectSeries:
    def test_gives_each_figure_of_each_run(self, record: RunRecord) -> None:
        batch: RunRecord = {**record, "accuracy": None, "estimated": (0.9, 0.8, 1.0), "seconds": 3.0}
        assert collect_series([{**record, "seconds": 2.0}, batch]) == {
            "accuracy": [0.95, None],
            "mae": [None, None],
            "estimated": [None, 0.9],
            "real": [None, None],
            "rows": [30, 30],
            "seconds": [2.0, 3.0],
        }

    def test_gives_the_real_accuracy_that_a_later_run_has_found(self, record: RunRecord) -> None:
        task = record["tasks"][0]
        batches: list[RunRecord] = [{**record, "tasks": [{**task, "unique_id": name}]} for name in ("a1", "b2", "")]
        first, second, other, failed = (
            {**record, "object": uri, "accuracy": accuracy}
            for uri, accuracy in (
                ("s3://bucket/batch/b2/evaluation.json", 0.5),
                ("s3://bucket/batch/b2/evaluation.json", 0.4),  # More of the truth is known by now.
                ("s3://bucket/output.csv", 0.9),
                (None, 0.8),
            )
        )
        series = collect_series(batches, [first, second, other, failed])  # type: ignore[list-item]
        assert series["real"] == [None, 0.4, None]

    def test_gives_the_real_error_of_a_number(self, record: RunRecord) -> None:
        uri = f"s3://bucket/batch/{record['tasks'][0]['unique_id']}/evaluation.json"
        batch: RunRecord = {**record, "accuracy": None, "mae": 3.0}
        assert collect_series([batch], [{**batch, "mae": 0.0, "object": uri}])["real"] == [0.0]

    def test_is_part_of_the_history(self, runs: History, record: RunRecord) -> None:
        for number, task in enumerate(record["tasks"][:2]):
            batch: RunRecord = {**record, "tasks": [task]}
            runs.add(f"1{number}", batch)
            uri = f"s3://bucket/batch/{task['unique_id']}/evaluation.json"
            runs.add(f"2{number}", {**batch, "tasks": [], "object": uri, "accuracy": 0.5 + 0.1 * number})
        assert "real      ▁█  0.5 to 0.6" in str(runs)
