"""The files of a table, on this machine or on S3, each as it was when it was listed."""

from __future__ import annotations

import hashlib
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.s3 import get_object, is_s3, list_objects, s3_client

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# Size of a read from S3: a larger block costs memory, a smaller one time.
_BLOCK_BYTES = 8 * 1024 * 1024
# Spark and other tools keep their metadata in files with these prefixes.
_HIDDEN = ("_", ".")
_IF_MISSING = "correct the parameter table"


@dataclass(frozen=True)
class LocalFile:
    """A file on this machine, with the SHA-256 of its content, and its size and modification time (ns)."""

    path: str
    digest: str
    state: tuple[int, int]

    def open(self) -> BinaryIO:
        """Open the file."""
        return _open_regular(Path(self.path))

    def check_unchanged(self) -> None:
        """Raise a TableError if the file has changed since it was listed."""
        if _get_state(Path(self.path).stat()) != self.state:
            raise TableError(f"{self.path}: it has changed while it was read: run again")


@dataclass(frozen=True)
class S3File:
    """An object on S3, with its ETag and its length in bytes."""

    bucket: str
    key: str
    digest: str
    size: int

    @property
    def path(self) -> str:
        """The URI of the object."""
        return f"s3://{self.bucket}/{self.key}"

    def open(self) -> BinaryIO:
        """Open the object; reading raises an S3Error if it has changed since it was listed."""
        return io.BufferedReader(_S3Reader(self), _BLOCK_BYTES)

    def check_unchanged(self) -> None:
        """Do nothing: each read fails unless the object still has the listed ETag."""


def list_files(uri: str) -> list[LocalFile] | list[S3File]:
    """List the files of a table by path: one file, or those of a folder at any depth that no ``_`` or ``.`` hides.

    Raises:
        TableError: there is no such file or folder, it cannot be read, or it has a file that is not a regular one.
    """
    if not uri:
        raise TableError("there is no table to read: set the parameter table")
    try:
        files = _list_objects(uri) if is_s3(uri) else _list_local_files(Path(uri.removeprefix("file://")))
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
        raise TableError(f"the table {uri} cannot be read ({problem}): {_IF_MISSING}") from None
    if not files:
        raise TableError(f"the table {uri} has no files: {_IF_MISSING}")
    return files


def _list_local_files(path: Path) -> list[LocalFile]:
    files = []
    for found in sorted(_walk(path), key=Path.as_posix):
        with _open_regular(found) as file:
            state = _get_state(os.fstat(file.fileno()))
            files.append(LocalFile(str(found), hashlib.file_digest(file, "sha256").hexdigest(), state))
    return files


def _walk(path: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield a file, or those of a folder at any depth, following links; ``above`` has the folders that contain it."""
    if not path.is_dir():
        yield path
    elif any(path.samefile(folder) for folder in above):
        raise TableError(f"{path}: it is a link to a folder that it lies in: remove the link")
    else:
        for child in path.iterdir():
            if not child.name.startswith(_HIDDEN):
                yield from _walk(child, (*above, path))


def _open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file: reading a FIFO may block for ever, and a device such as /dev/zero never ends."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise TableError(f"{path}: it is not a regular file: correct the parameter table")
    return os.fdopen(descriptor, "rb")


def _get_state(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _list_objects(uri: str) -> list[S3File]:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    folder = f"{key.rstrip('/')}/" if key.strip("/") else ""
    with s3_client(uri, "list it", _IF_MISSING) as client:
        objects = list(list_objects(client, bucket, folder.rstrip("/")))
    # S3's console creates a key that ends in a slash for each folder.
    files = [S3File(bucket, it["Key"], it["ETag"], it["Size"]) for it in objects if not it["Key"].endswith("/")]
    inside = [file for file in files if file.key.startswith(folder)]
    return [file for file in files if file.key == key] or [
        file for file in inside if not any(part.startswith(_HIDDEN) for part in file.key[len(folder) :].split("/"))
    ]


class _S3Reader(io.RawIOBase):
    """Reads an object by ranges, which allows seeking and keeps no connection open between reads."""

    def __init__(self, file: S3File) -> None:
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._file.size)
        if end <= self._position:
            return 0
        file, wanted = self._file, f"bytes={self._position}-{end - 1}"
        content, _ = get_object(file.bucket, file.key, _IF_MISSING, Range=wanted, IfMatch=file.digest)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)
