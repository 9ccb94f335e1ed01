"""Parts of a table on S3 under a prefix of their own, a manifest that names them, and a pointer to the manifest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sized
from logging import getLogger
from typing import Any, TypedDict

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io import s3
from gokart_pipeline_sample.io.file_formats import FormatProcessor, JsonProcessor
from gokart_pipeline_sample.io.targets import UNIQUE_ID, S3Target

logger = getLogger(__name__)

NOTES = "figures/"
EARLIER_BATCHES = 10  # with whose rows those of a batch are compared
NOTED_PARTS = 16  # An object notes so many: a run that goes on reads them with one request.
_DAMAGES = (AttributeError, DamagedFileError, ValueError, KeyError, TypeError)


class Part(TypedDict):
    """The manifest's entry for an object of a batch."""

    key: str
    rows: int
    size: int  # bytes
    sha256: str  # hexadecimal digits
    etag: str  # S3's listing has it, so a replaced object is detected


class S3JsonTarget(S3Target):
    """A JSON object."""

    processor: FormatProcessor = JsonProcessor()

    def _dump(self, obj: object, *_: object, **__: object) -> None:
        self._put(obj, {})


def make_folder(prefix: str) -> str:
    """Return a prefix of keys that ends with a slash, if it is not empty."""
    return "".join(f"{part}/" for part in prefix.split("/") if part)


def find_latest(bucket: str, prefix: str) -> str:
    """Return the key of the manifest that ``<prefix>/latest.json`` names; an error says if it is missing or damaged."""
    key, advice = f"{make_folder(prefix)}latest.json", ("publish a batch first", "publish again")
    return str(json.loads(s3.get_intact_object(bucket, key, *advice))["manifest"])


class S3ManifestTarget(S3JsonTarget):
    """The manifest at ``<prefix>/<name>-<unique id>/manifest.json``; it exists if all parts beside it exist."""

    def __init__(self, bucket: str, prefix: str, unique_id: str, encryption: s3.Encryption, name: str = "") -> None:
        self._prefix = make_folder(prefix)
        self._folder = f"{self._prefix}{name and f'{name}-'}{unique_id}/"
        super().__init__(bucket, f"{self._folder}manifest.json", unique_id, encryption)

    def make_pointer(self, unique_id: str) -> S3PointerTarget:
        """Return the pointer to this manifest, to be put by the task with this unique id."""
        pointer = S3PointerTarget(self._bucket, f"{self._prefix}latest.json", unique_id, self._encryption)
        pointer.manifest = self
        return pointer

    def put_part(self, name: str, data: Sized, processor: FormatProcessor) -> Part:
        """Put the rows of a part, a frame or an Arrow table; its name is its key without their folder."""
        content, key = processor.serialize(data), f"{self._folder}{name}"
        metadata = {"rows": str(len(data)), UNIQUE_ID: self._unique_id}
        etag, sha256 = s3.put_object(self._bucket, key, content, processor.content_type, metadata, self._encryption)
        return Part(key=key, rows=len(data), size=len(content), sha256=sha256, etag=etag)

    def put_note(self, number: int, notes: dict[int, Any]) -> None:
        """Put the note on a part again with those on its neighbours, as far as there are any, in one object."""
        first = number - number % NOTED_PARTS
        together = {each: notes[each] for each in range(first, first + NOTED_PARTS) if each in notes}
        key = f"{self._folder}{NOTES}{number // NOTED_PARTS:05d}.json"
        S3JsonTarget(self._bucket, key, self._unique_id, self._encryption).dump(together)

    def find_notes(self) -> dict[int, Any]:
        """Return the notes on parts by number, if the objects that they ``put`` are still as they were."""
        notes: dict[int, Any] = {}
        found = self._list()
        for key in (key for key in found if key.startswith(f"{self._folder}{NOTES}")):
            target = S3JsonTarget(self._bucket, key, self._unique_id, self._encryption)
            try:
                together = target.load().items()
                notes |= {int(number): note for number, note in together if _are_intact(note["put"].values(), found)}
            except _DAMAGES:
                logger.warning("%s is damaged: its parts are made again", target.path())
        return notes

    def _list(self) -> dict[str, tuple[int, str]]:
        return {item["Key"]: (item["Size"], item["ETag"]) for item in s3.list_objects(self._bucket, self._folder)}

    def _exists(self) -> bool:
        found = self._list()
        if self.key not in found:
            return False
        try:
            manifest = self._load()
            return _are_intact([*manifest["parts"], *manifest.get("rejected", [])], found)
        except _DAMAGES:
            logger.warning("%s is damaged: it is made again", self.path())
            return False


def _are_intact(parts: Iterable[Part], found: dict[str, tuple[int, str]]) -> bool:
    """Return whether the list of a folder has all these parts, with their sizes and ETags."""
    return all(found.get(part["key"]) == (part["size"], part["etag"]) for part in parts)


class S3PointerTarget(S3JsonTarget):
    """The pointer that readers follow to the manifest of the current batch; it exists only if that manifest does."""

    manifest: S3ManifestTarget

    def count_rows(self, rows: int) -> dict[str, int]:
        """Return the numbers of published rows of the last batches, by the beginning of their names, this one last."""
        # The whole name would keep a batch from being cleaned up.
        name, batches = self.manifest.key.split("/")[-2][:12], dict[str, int]()
        if s3.find_metadata(self._bucket, self.key) is not None:
            try:
                content = s3.get_intact_object(self._bucket, self.key, s3.IF_MISSING, "no earlier rows are known")
                batches = json.loads(content).get("batches", {})
            except DamagedFileError as error:
                logger.warning("%s", error)
        batches.pop(name, None)
        return dict([*batches.items()][-EARLIER_BATCHES:]) | {name: rows}

    def put_beside(self, name: str, content: bytes, content_type: str) -> None:
        """Put another object beside the manifest, where no later batch replaces it."""
        self.manifest.put_beside(name, content, content_type)

    def _exists(self) -> bool:
        # What has just been put is not looked for again: S3 may fail meanwhile, and readers have it.
        return self._is_put or (super()._exists() and self.manifest.exists())
