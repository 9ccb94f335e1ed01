"""The folder of the PID files in which luigi notes the running commands."""

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import luigi.lock

from pipeline_runner.errors import UsageError


@contextlib.contextmanager
def using_lock_folder(folder: Path) -> Iterator[None]:
    """Make the folder, writable by this user only, and remove the PID files of dead processes and of this one."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        remedy = "correct workspace_directory, or set lock_pid_dir of [core]"
        raise UsageError(f"the lock folder {folder} cannot be made: {remedy} ({error})") from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
        remedy = "remove it, or set lock_pid_dir of [core]"
        raise UsageError(f"the lock folder {folder} is a link, or others can write to it: {remedy}")
    find_running(folder)  # It removes what dead processes have left.
    try:
        yield
    finally:
        process_id, _, note = luigi.lock.get_info(str(folder))
        if _read_process_ids(Path(note)) == [process_id]:
            Path(note).unlink()


def find_running(folder: Path) -> list[int]:
    """Return the other processes that run a command of the pipeline now, and remove the PID files of dead ones."""
    running = set[int]()
    for note in folder.glob("*.pid"):
        alive = {number for number in _read_process_ids(note) if Path(f"/proc/{number}").exists()}
        if note.is_symlink() or not alive:
            note.unlink(missing_ok=True)
        else:
            running |= alive
    return sorted(running - {os.getpid()})


def _read_process_ids(note: Path) -> list[int]:
    with contextlib.suppress(OSError, ValueError):
        return [int(line) for line in note.read_text().split()]
    return []
