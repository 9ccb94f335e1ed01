from __future__ import annotations

import os
from pathlib import Path

import luigi.lock
import pytest

from pipeline_runner.errors import UsageError
from pipeline_runner.lock_folder import find_running, using_lock_folder


class TestUsingLockFolder:
    def test_makes_a_folder_for_this_user_alone_and_leaves_no_note(self, tmp_path: Path) -> None:
        folder = tmp_path / "a" / "locks"
        with using_lock_folder(folder):
            assert folder.stat().st_mode & 0o777 == 0o700
            assert luigi.lock.acquire_for(str(folder))
            assert len(list(folder.iterdir())) == 1
        assert list(folder.iterdir()) == []

    def test_refuses_a_link(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "locks").symlink_to(tmp_path / "elsewhere")
        with (
            pytest.raises(UsageError, match=r"locks is a link, or others can write to it"),
            using_lock_folder(tmp_path / "locks"),
        ):
            pytest.fail("it is used")

    def test_refuses_a_folder_to_which_others_can_write(self, tmp_path: Path) -> None:
        (tmp_path / "locks").mkdir()
        (tmp_path / "locks").chmod(0o777)
        with pytest.raises(UsageError, match="others can write to it"), using_lock_folder(tmp_path / "locks"):
            pytest.fail("it is used")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
    def test_refuses_the_folder_of_another_user(self, tmp_path: Path) -> None:
        (tmp_path / "locks").mkdir(mode=0o700)
        os.chown(tmp_path / "locks", 12345, 12345)
        with pytest.raises(UsageError, match="others can write to it"), using_lock_folder(tmp_path / "locks"):
            pytest.fail("it is used")

    def test_says_when_it_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with (
            pytest.raises(UsageError, match="cannot be made: correct workspace_directory, or set lock_pid_dir"),
            using_lock_folder(tmp_path / "file" / "locks"),
        ):
            pytest.fail("it is used")

    def test_removes_what_dead_processes_have_left(self, tmp_path: Path) -> None:
        gone = os.fork()
        if gone == 0:
            os._exit(0)
        os.waitpid(gone, 0)
        (tmp_path / "dead.pid").write_text(f"{gone}\n")
        (tmp_path / "empty.pid").write_text("")
        (tmp_path / "link.pid").symlink_to("/etc/passwd")
        (tmp_path / "alive.pid").write_text(f"{gone}\n{os.getpid()}\n")
        with using_lock_folder(tmp_path):
            assert [path.name for path in tmp_path.iterdir()] == ["alive.pid"]


class TestFindRunning:
    def test_finds_other_processes_that_live(self, tmp_path: Path) -> None:
        gone = os.fork()
        if gone == 0:
            os._exit(0)
        os.waitpid(gone, 0)
        for name, number in (("dead", gone), ("this", os.getpid()), ("other", os.getppid())):
            (tmp_path / f"{name}.pid").write_text(f"{number}\n")
        assert find_running(tmp_path) == [os.getppid()]
        assert not (tmp_path / "dead.pid").exists()

    def test_finds_none_without_a_folder(self, tmp_path: Path) -> None:
        assert find_running(tmp_path / "none") == []
