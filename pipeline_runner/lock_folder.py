"""The folder of the lock file in which each running command locks a byte; a lock ends with its process."""

import contextlib
import fcntl
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO

from pipeline_runner.errors import UsageError

_FILE = "commands.lock"


@contextlib.contextmanager
def locking(folder: Path, command: Sequence[str]) -> Iterator[bool]:
    """Lock a command in the folder, which is made for this user only; yield whether no other process has locked it."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & 0o022:
            is_foreign = status.st_uid != os.geteuid()
            problem = "belongs to another user" if is_foreign else "is a link, or others can write to it"
            raise UsageError(f"the lock folder {folder} {problem}: remove it, or set lock_pid_dir of [core]")
        file = (folder / _FILE).open("a")
    except OSError as error:
        remedy = "correct workspace_directory, or set lock_pid_dir of [core]"
        raise UsageError(f"the lock folder {folder} cannot be used: {remedy} ({error})") from error
    with file:
        yield try_lock(fcntl.lockf, file, 1, int(hashlib.sha256(repr(command).encode()).hexdigest()[:15], 16))


def is_running(folder: Path) -> bool:
    """Return whether another process runs a command now."""
    with contextlib.suppress(FileNotFoundError), (folder / _FILE).open("a") as file:
        return not try_lock(fcntl.lockf, file)
    return False


def try_lock(lock: Callable[..., None], file: IO[str], *place: int) -> bool:
    """Lock a file, or a place in it, with a function of fcntl, and return True unless somebody else has locked it."""
    with contextlib.suppress(BlockingIOError):
        lock(file, fcntl.LOCK_EX | fcntl.LOCK_NB, *place)
        return True
    return False
