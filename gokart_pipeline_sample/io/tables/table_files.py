"""The files of a table, on this machine or on S3, each as it was when it was listed."""

import hashlib
import io
import json
import os
import re
import stat
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.s3 import get_intact_object, get_object, list_objects

_BLOCK_BYTES = 8 * 1024 * 1024  # Of a read from S3: a larger block costs memory, a smaller one time.
# The names of files and folders with metadata of Spark and other tools, Hadoop on S3, and Athena.
_HIDDEN = re.compile(r"[_.][^=]*|.*_\$folder\$|.*\.csv\.metadata")
_NO_VALUE = ("", "__HIVE_DEFAULT_PARTITION__")
_IF_MISSING = "correct its path or URI"
_get_state = attrgetter("st_size", "st_mtime_ns")


@dataclass(frozen=True)
class LocalFile:
    """A file here: the SHA-256 of its content, its size and modification time (ns), and what its folders tell."""

    path: str
    digest: str
    state: tuple[int, int]
    keys: dict[str, str | None] = field(default_factory=dict)

    def open(self) -> io.BufferedReader:
        """Open the file."""
        return _open_regular(Path(self.path))

    def check_unchanged(self) -> None:
        """Raise a TableError if the file has changed since it was listed."""
        if _get_state(Path(self.path).stat()) != self.state:
            raise TableError(f"{self.path}: it has changed while it was read: run again")


@dataclass(frozen=True)
class S3File:
    """An object on S3: its URI, its ETag, its length in bytes, and what its folders tell."""

    path: str
    digest: str
    size: int
    keys: dict[str, str | None] = field(default_factory=dict)

    def open(self) -> io.BufferedReader:
        """Open the object; reading raises an S3Error if it has changed since it was listed."""
        return io.BufferedReader(_S3Reader(self), _BLOCK_BYTES)


TableFile: TypeAlias = LocalFile | S3File


def list_files(uri: str) -> Sequence[TableFile]:
    """List the files of a table: one file, those that a ``latest.json`` leads to, or those of a folder at any depth.

    The latter are in the order of their paths, without any that ``_`` or ``.`` hides.

    A file or folder that is missing or cannot be read, or a file that is not a regular one, is a TableError.
    """
    if not uri:
        raise TableError("there is no table to read: set the parameter table")
    scheme, place = uri.split("://", 1) if "://" in uri else ("", uri)
    if scheme.lower() not in ("", "file", "s3", "s3a", "s3n"):
        raise TableError(f"the table {uri} is neither a path nor an s3:// URI: copy it to one of these")
    try:
        files = _list_objects(place) if "3" in scheme else _list_local_files(Path(place).expanduser())
    except OSError as error:
        problem = f"{error.filename}: {error.strerror}"
        raise TableError(f"the table {uri} cannot be read ({problem}): {_IF_MISSING}") from None
    if not files:
        raise TableError(f"the table {uri} has no files: {_IF_MISSING}")
    return files


def find_keys(folders: Sequence[str]) -> dict[str, str | None]:
    """Return the columns that the names of folders tell, as Hive writes them: ``day=2026-01-31``."""
    pairs = [folder.partition("=") for folder in folders if "=" in folder]
    return {unquote(name): None if value in _NO_VALUE else unquote(value) for name, _, value in pairs}


def _list_local_files(path: Path) -> list[LocalFile]:
    files = []
    for found in sorted(_walk(path), key=Path.as_posix):
        with _open_regular(found) as file:
            state = _get_state(os.fstat(file.fileno()))
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            files.append(LocalFile(str(found), digest, state, find_keys(found.relative_to(path).parts[:-1])))
    return files


def _walk(path: Path, above: tuple[Path, ...] = ()) -> Iterator[Path]:
    """Yield a file, or those of a folder at any depth, following links; ``above`` has the folders that contain it."""
    if not path.is_dir():
        yield path
    elif any(path.samefile(folder) for folder in above):
        raise TableError(f"{path}: it is a link to a folder that it lies in: remove the link")
    else:
        for child in path.iterdir():
            if not _HIDDEN.fullmatch(child.name):
                yield from _walk(child, (*above, path))


def _open_regular(path: Path) -> io.BufferedReader:
    """Open a regular file: reading a FIFO may block for ever, and a device such as /dev/zero never ends."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise TableError(f"{path}: it is not a regular file: {_IF_MISSING}")
    return os.fdopen(descriptor, "rb")


def _list_objects(place: str) -> list[S3File]:
    bucket, _, key = place.partition("/")
    if key.endswith(".json"):
        return _list_parts(bucket, key)
    folder = f"{key.rstrip('/')}/" if key.strip("/") else ""
    listed = list_objects(bucket, folder.rstrip("/"), _IF_MISSING)
    # S3's console creates a key that ends in a slash for each folder.
    found = {item["Key"]: item for item in listed if not item["Key"].endswith("/")}
    parts = {name: name.removeprefix(folder).split("/") for name in found if name.startswith(folder)}
    inside = {name: find_keys(parts[name][:-1]) for name in parts if not any(map(_HIDDEN.fullmatch, parts[name]))}
    names = {key: {}} if key in found else inside
    return [S3File(f"s3://{bucket}/{name}", found[name]["ETag"], found[name]["Size"], names[name]) for name in names]


def _list_parts(bucket: str, key: str) -> list[S3File]:
    """List the parts of a manifest, or of the one that a pointer names, as they were when it was put."""
    advice = _IF_MISSING, "publish it again"
    try:
        document = json.loads(get_intact_object(bucket, key, *advice))
        if "manifest" in document:
            document = json.loads(get_intact_object(bucket, document["manifest"], *advice))
        return [S3File(f"s3://{bucket}/{part['key']}", part["etag"], part["size"]) for part in document["parts"]]
    except (ValueError, KeyError, TypeError) as error:
        raise TableError(f"s3://{bucket}/{key} names no parts of a table: give the latest.json of one") from error


class _S3Reader(io.RawIOBase):
    """Reads an object by ranges, which allows seeking and keeps no connection open between reads."""

    def __init__(self, file: S3File) -> None:
        self._file, self._position = file, 0
        self._bucket, _, self._key = file.path.removeprefix("s3://").partition("/")

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._file.size}[whence]
        return self._position

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        end = min(self._position + len(view), self._file.size)
        if end <= self._position:
            return 0
        conditions = {"Range": f"bytes={self._position}-{end - 1}", "IfMatch": self._file.digest}
        content, _ = get_object(self._bucket, self._key, _IF_MISSING, **conditions)
        view[: len(content)] = content
        self._position += len(content)
        return len(content)
