"""Champions on S3: a folder for each, with its model, and a pointer to the one in use."""

import json
from datetime import UTC, datetime
from logging import getLogger
from typing import Any, NamedTuple, NotRequired, TypedDict

from gokart_pipeline_sample.errors import DamagedFileError
from gokart_pipeline_sample.io import s3
from gokart_pipeline_sample.io.file_formats import FormatProcessor, JsonProcessor
from gokart_pipeline_sample.io.manifest import S3JsonTarget
from gokart_pipeline_sample.io.s3 import get_intact_object
from gokart_pipeline_sample.io.targets import UNIQUE_ID

logger = getLogger(__name__)

File = dict[str, str]  # its key, and its sha256 in hexadecimal digits

DOCUMENT, MODEL, REFERENCE = "document.json", "model.txt", "reference.json"
IF_MISSING, IF_DAMAGED = "there is no such champion: see --champion", "delete it, and go back (--champion)"


class ChampionDocument(TypedDict):
    """A champion; its document never changes."""

    model: File
    reference: File
    task: str  # unique id of the task that trained it
    accuracy: NotRequired[float]  # on the test rows of its day
    mae: NotRequired[float]  # instead, if the target is a number
    rows: int  # number of these
    split: dict[str, Any]  # parameters of the split
    preprocessing: str  # hash of the code that preprocesses rows
    lookups: str  # fingerprints of the tables that it takes, too, in JSON


class Pointer(TypedDict):
    """The pointer to the champion in use, and the last decision."""

    champion: str  # key of the document
    since: str  # ISO 8601, UTC
    previous: str | None  # key of the document of the champion before
    considered: str  # unique id of the task that decided last
    decision: str  # of that task, as a sentence


def point_to(champion: str, pointer: Pointer | None, considered: str, decision: str) -> Pointer:
    """Return the pointer after a decision, given the pointer before it, if there was one; see :class:`Pointer`."""
    if pointer and pointer["champion"] == champion:
        return {**pointer, "considered": considered, "decision": decision}
    now, before = datetime.now(UTC).isoformat(timespec="seconds"), pointer and pointer["champion"]
    return Pointer(champion=champion, since=now, previous=before, considered=considered, decision=decision)


class Champions(NamedTuple):
    """The champions of a bucket, and their pointer."""

    bucket: str
    folder: str  # prefix of the folders of all champions
    encryption: s3.Encryption

    def path(self, key: str) -> str:
        """Return the URI of an object."""
        return f"s3://{self.bucket}/{key}"

    @property
    def pointer_key(self) -> str:
        """The key of the pointer."""
        return f"{self.folder}champion.json"

    def read_pointer(self) -> tuple[Pointer | None, str | None]:
        """Return the pointer and its ETag, if there is one; raise a DamagedFileError if it is not what was put."""
        listed = {item["Key"]: item["ETag"] for item in s3.list_objects(self.bucket, self.pointer_key)}
        if (etag := listed.get(self.pointer_key)) is None:
            return None, None
        content = get_intact_object(self.bucket, self.pointer_key, IF_MISSING, IF_DAMAGED, IfMatch=etag)
        return json.loads(content), etag

    def read_document(self, key: str) -> ChampionDocument:
        """Return the document of a champion; raise a DamagedFileError if it is not what was put."""
        document: ChampionDocument = json.loads(get_intact_object(self.bucket, key, IF_MISSING, IF_DAMAGED))
        return document

    def find_document(self, key: str) -> ChampionDocument | None:
        """Return the document of a champion, or None if it or a file of the champion is missing or damaged."""
        try:
            document = self.read_document(key) if s3.find_metadata(self.bucket, key) else None
        except DamagedFileError:
            document = None
        files = [document["model"], document["reference"]] if document else []
        found = [(s3.find_metadata(self.bucket, file["key"]) or {}).get(s3.SHA256) for file in files]
        if files and found == [file["sha256"] for file in files]:
            return document
        logger.warning("%s, or a file of this champion, is missing or damaged", self.path(key))
        return None

    def put_file(self, unique_id: str, name: str, obj: Any, processor: FormatProcessor) -> File:
        """Put a file of a champion into the folder of the task that makes it."""
        key, content, metadata = f"{self.folder}{unique_id}/{name}", processor.serialize(obj), {UNIQUE_ID: unique_id}
        _, sha256 = s3.put_object(self.bucket, key, content, processor.content_type, metadata, self.encryption)
        return {"key": key, "sha256": sha256}

    def put_pointer(self, pointer: Pointer, etag: str | None) -> None:
        """Put the pointer; raise an S3Error if another one was put since that with this ETag was read, if any was."""
        condition, json_type = {"IfMatch": etag} if etag else {"IfNoneMatch": "*"}, JsonProcessor.content_type
        content, metadata = JsonProcessor().serialize(pointer), {UNIQUE_ID: pointer["considered"]}
        s3.put_object(self.bucket, self.pointer_key, content, json_type, metadata, self.encryption, **condition)
        logger.info("put %s", self.path(self.pointer_key))


class S3ChampionPointer(S3JsonTarget):
    """The pointer as the output of the task that has decided last; it exists if the champion is whole, too."""

    def __init__(self, champions: Champions, unique_id: str) -> None:
        super().__init__(champions.bucket, champions.pointer_key, unique_id, champions.encryption)
        self.champions = champions

    def _exists(self) -> bool:
        if self._is_put or not super()._exists():
            return self._is_put
        pointer, _ = self.champions.read_pointer()
        return pointer is not None and self.champions.find_document(pointer["champion"]) is not None

    def _dump(self, obj: Any, *_: object, **__: object) -> None:
        self.champions.put_pointer(*obj)
        self._is_put = True


class S3ChampionFile(S3JsonTarget):
    """A file of a champion; it exists if its content is what the document of the champion says."""

    def __init__(self, bucket: str, file: File, processor: FormatProcessor) -> None:
        super().__init__(bucket, file["key"], "", s3.BUCKET_ENCRYPTION)
        self.processor: FormatProcessor = processor
        self._sha256 = file["sha256"]

    def _is_ours(self, metadata: dict[str, str]) -> bool:
        return metadata.get(s3.SHA256) == self._sha256
