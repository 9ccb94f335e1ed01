from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline_runner.errors import UsageError
from pipeline_runner.lock_folder import is_running, locking

COMMAND = ["main.py", "SomeTask", "--x", "1"]
HOLD = f"""
import os, pathlib, sys
from pipeline_runner.lock_folder import locking
with locking(pathlib.Path(sys.argv[1]), {COMMAND}) as is_free:
    print(is_free, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that runs the command until its stdin ends."""
    command, pipe = [sys.executable, "-c", HOLD, str(tmp_path)], subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


class TestLocking:
    def test_makes_a_folder_for_this_user_alone_with_one_file(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "locks"
        with locking(folder, COMMAND) as is_free:
            assert is_free
            assert folder.stat().st_mode & 0o777 == 0o700
        with locking(folder, [*COMMAND, "--y"]):
            assert [path.name for path in folder.iterdir()] == ["commands.lock"]

    def test_is_refused_while_another_process_runs_the_command(
        self, tmp_path: Path, holder: subprocess.Popen[str]
    ) -> None:
        with locking(tmp_path, COMMAND) as is_free:
            assert not is_free
        with locking(tmp_path, [*COMMAND, "--y"]) as is_free:
            assert is_free
        holder.communicate()
        with locking(tmp_path, COMMAND) as is_free:
            assert is_free

    def test_is_free_after_a_kill_whatever_process_has_the_number_now(
        self, tmp_path: Path, holder: subprocess.Popen[str]
    ) -> None:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        (left,) = tmp_path.iterdir()
        left.write_text(f"{os.getppid()}\n1\n")
        with locking(tmp_path, COMMAND) as is_free:
            assert is_free

    def test_is_kept_when_a_worker_ends(self, tmp_path: Path) -> None:
        with locking(tmp_path, COMMAND):
            worker = os.fork()
            if worker == 0:
                os._exit(0)
            os.waitpid(worker, 0)
            command = [sys.executable, "-c", HOLD, str(tmp_path)]
            assert subprocess.run(command, input="", capture_output=True, text=True, check=True).stdout == "False\n"

    def test_refuses_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
        with (
            pytest.raises(UsageError, match=r"locks is a link, or others can write to it: remove it"),
            locking(tmp_path / "locks", COMMAND),
        ):
            pytest.fail("it is used")

    def test_refuses_a_folder_to_which_others_can_write(self, tmp_path: Path) -> None:
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks").chmod(0o777)
        with (
            pytest.raises(UsageError, match="is a link, or others can write to it: remove it"),
            locking(tmp_path / "locks", COMMAND),
        ):
            pytest.fail("it is used")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    @pytest.mark.parametrize("mode", [0o700, 0o777])
    def test_refuses_the_folder_of_another_user(self, tmp_path: Path, mode: int) -> None:
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks").chmod(mode)
        os.chown(tmp_path / "locks", 12345, 12345)
        with (
            pytest.raises(UsageError, match="locks belongs to another user: remove it, or set lock_pid_dir"),
            locking(tmp_path / "locks", COMMAND),
        ):
            pytest.fail("it is used")

    def test_says_when_it_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(UsageError, match="cannot be used: correct workspace_directory, or set lock_pid_dir"),
            locking(tmp_path / "file" / "locks", COMMAND),
        ):
            pytest.fail("it is used")


class TestIsRunning:
    def test_is_true_while_another_process_runs_any_command(
        self, tmp_path: Path, holder: subprocess.Popen[str]
    ) -> None:
        (tmp_path / "0123.pid").write_text(f"{os.getppid()}\n")
        assert is_running(tmp_path)
        holder.communicate()
        assert not is_running(tmp_path)

    def test_is_false_without_a_folder(self, tmp_path: Path) -> None:
        assert not is_running(tmp_path / "none")
