from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline_runner.paths import PROJECT
from pipeline_runner.upkeep.clean import find_files, sort_runs
from pipeline_runner.watch.history import History, RunRecord, TaskRecord

NEEDED, OLD = "0123456789abcdef" * 2, "f" * 32


def make_task(unique_id: str) -> TaskRecord:
    return TaskRecord(name="Task", unique_id=unique_id, parameters={}, state="ran", seconds=1.0, why=None)


def make_file(workspace: Path, name: str, hours: float = 48) -> Path:
    path = workspace / name
    path.write_text("")
    os.utime(path, times=(time.time() - hours * 3600,) * 2)
    return path


class TestSortRuns:
    @pytest.fixture
    def runs(self, workspace: Path, record: RunRecord) -> History:
        """Three runs of one task and two of another one, the first of which is the oldest run of all."""
        history = History(str(workspace))
        for number, task in enumerate(["b", "a", "a", "b", "a"]):
            tasks = [make_task(f"{task}{number}"), make_task("shared"), make_task("")]
            history.add(str(number), {**record, "task": task, "tasks": tasks})
        return history

    @pytest.mark.parametrize(
        ("keep", "kept", "old", "needed"),
        [
            (1, 2, ["2.json", "1.json", "0.json"], {"a4", "b3", "shared"}),
            (2, 4, ["1.json"], {"a4", "b3", "a2", "b0", "shared"}),
            (3, 5, [], {"a4", "b3", "a2", "a1", "b0", "shared"}),
            (30, 5, [], {"a4", "b3", "a2", "a1", "b0", "shared"}),
        ],
    )
    def test_keeps_the_last_runs_of_each_task_with_what_they_know(
        self, runs: History, keep: int, kept: int, old: list[str], needed: set[str]
    ) -> None:
        assert sort_runs(runs, keep) == (kept, old, needed)

    def test_needs_nothing_of_no_run(self, workspace: Path) -> None:
        assert sort_runs(History(str(workspace)), 30) == (0, [], set())

    def test_needs_what_a_run_that_was_up_to_date_knows(self, workspace: Path, record: RunRecord) -> None:
        history = History(str(workspace))
        history.add("1", {**record, "tasks": [make_task("x")]})
        history.add("2", {**record, "tasks": [make_task("x")], "verdict": "up to date"})
        assert sort_runs(history, 1) == (1, ["1.json"], {"x"})


def make_output(folder: Path, name: str, hours: float = 25) -> list[Path]:
    """Make a file as the pipeline does, with its digest beside it."""
    return [make_file(folder, each, hours=hours) for each in (name, f"{name}.sha256")]


@pytest.fixture
def a_day_ago() -> float:
    return time.time() - 24 * 3600


class TestFindFiles:
    def test_finds_old_files_of_tasks_that_no_run_knows(self, tmp_path: Path, a_day_ago: float) -> None:
        old = make_output(tmp_path, f"B_{OLD}.parquet") + make_output(tmp_path, f"a_b_{OLD}.json")
        make_output(tmp_path, f"B_{NEEDED}.parquet")
        make_output(tmp_path, f"C_{OLD}.parquet", hours=23)
        assert list(find_files(tmp_path, {NEEDED}, a_day_ago)) == old
        assert list(find_files(tmp_path, {NEEDED, OLD}, a_day_ago)) == []

    @pytest.mark.parametrize(("hours", "is_old"), [(23.9, False), (24.1, True), (-1, False)])
    def test_leaves_what_is_younger_than_the_limit(
        self, tmp_path: Path, a_day_ago: float, hours: float, is_old: bool
    ) -> None:
        paths = make_output(tmp_path, f"B_{OLD}.parquet", hours=hours)
        assert list(find_files(tmp_path, set(), a_day_ago)) == (paths if is_old else [])

    def test_finds_what_was_just_made_until_now(self, tmp_path: Path) -> None:
        paths = make_output(tmp_path, f"B_{OLD}.parquet", hours=0)
        assert list(find_files(tmp_path, set(), time.time())) == paths

    def test_goes_by_the_last_id_of_a_name(self, tmp_path: Path, a_day_ago: float) -> None:
        paths = make_output(tmp_path, f"of_{NEEDED}_{OLD}.json")
        assert list(find_files(tmp_path, {NEEDED}, a_day_ago)) == paths
        assert list(find_files(tmp_path, {OLD}, a_day_ago)) == []

    def test_leaves_a_file_without_its_digest(self, tmp_path: Path, a_day_ago: float) -> None:
        make_file(tmp_path, f"photo_{OLD}.json")
        assert list(find_files(tmp_path, set(), a_day_ago)) == []

    @pytest.mark.parametrize("name", ["notes.txt", f"x_{'f' * 33}.json", f"x_{'f' * 31}.json", f"x_{'F' * 32}.json"])
    def test_leaves_files_of_others(self, tmp_path: Path, name: str, a_day_ago: float) -> None:
        make_output(tmp_path, name)
        assert list(find_files(tmp_path, set(), a_day_ago)) == []

    def test_leaves_folders_and_what_is_in_them(self, tmp_path: Path) -> None:
        (tmp_path / f"folder_{OLD}").mkdir()
        make_file(tmp_path / f"folder_{OLD}", f"file_{OLD}.json")
        assert list(find_files(tmp_path, set(), time.time())) == []

    def test_finds_the_half_of_a_record_that_a_killed_run_has_left(self, tmp_path: Path, a_day_ago: float) -> None:
        history = History(str(tmp_path))
        history.write("1.json", b"{}", "application/json")
        killed = (
            "import os, signal; from pathlib import Path; from pipeline_runner.watch.history import History\n"
            "Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
            f"History({str(tmp_path)!r}).write('2.json', b'{{}}', 'application/json')"
        )
        died = subprocess.run([sys.executable, "-c", killed], check=False, cwd=PROJECT, capture_output=True)
        assert died.returncode == -signal.SIGKILL, died.stderr
        assert [name for name, _ in history.named_records()] == []
        assert list(find_files(tmp_path, set(), a_day_ago)) == []

        (left,) = find_files(tmp_path, set(), time.time())
        assert [path.name for path in left.iterdir()] == ["2.json"]
        assert sorted((tmp_path / "runs").iterdir()) == [left, tmp_path / "runs" / "1.json"]

    def test_finds_the_half_of_a_file_of_a_task(self, tmp_path: Path, a_day_ago: float) -> None:
        paths = [make_file(tmp_path, f"A_{NEEDED}.json{each}-luigi-tmp-0012345678") for each in ("", ".sha256")]
        make_file(tmp_path, f"B_{NEEDED}.json-luigi-tmp-0012345678", hours=23)
        assert list(find_files(tmp_path, {NEEDED}, a_day_ago)) == paths

    def test_finds_nothing_without_a_workspace(self, tmp_path: Path, a_day_ago: float) -> None:
        assert list(find_files(tmp_path / "none", set(), a_day_ago)) == []
