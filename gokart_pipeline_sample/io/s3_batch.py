"""A batch on S3: parts under a prefix of their own, a manifest that names them, and a pointer to the manifest."""

from __future__ import annotations

import hashlib
import json
from logging import getLogger
from typing import Any, TypedDict

from gokart_pipeline_sample.io.s3 import UNIQUE_ID, S3Target, asking, list_objects, put_object, read_metadata

logger = getLogger(__name__)


class Part(TypedDict):
    """An object of a batch as the manifest names it: ``size`` is in bytes, ``sha256`` in hexadecimal digits."""

    key: str
    rows: int
    size: int
    sha256: str


class S3JsonTarget(S3Target):
    """A JSON object."""

    @property
    def key(self) -> str:
        """The key of the object."""
        return self._key

    def _dump(self, obj: object, *_: object, **__: object) -> None:
        self._put(json.dumps(obj, indent=2, allow_nan=False).encode(), "application/json", {})
        logger.info("put %s", self.path())

    def _load(self) -> Any:
        return json.loads(self._get())


class S3ManifestTarget(S3JsonTarget):
    """The manifest of a batch, which exists only if all parts that it names are there.

    It is put to ``<prefix>/<unique id>/manifest.json``, and the parts beside it: no other task touches them, and a task
    that died finds those that it has put.

    Args:
        bucket: name of the bucket.
        prefix: what the keys of all batches begin with.
        unique_id: unique id of the task that makes the batch.
        encryption: the arguments of S3's PutObject that ask for encryption.
    """

    def __init__(self, bucket: str, prefix: str, unique_id: str, encryption: dict[str, Any]) -> None:
        self._prefix = "".join(f"{part}/" for part in prefix.split("/") if part)
        self._folder = f"{self._prefix}{unique_id}/"
        super().__init__(bucket, f"{self._folder}manifest.json", unique_id, encryption)

    def make_pointer(self, unique_id: str) -> S3PointerTarget:
        """Return the pointer to this manifest, as the task with this unique id puts it."""
        return S3PointerTarget(self._bucket, f"{self._prefix}latest.json", unique_id, self._encryption, self)

    def put_part(self, name: str, content: bytes, content_type: str, rows: int) -> Part:
        """Put a part.

        Args:
            name: what its key ends in.
            content: its bytes.
            content_type: its media type.
            rows: how many rows it has.

        Raises:
            S3Error: S3 refuses it, or does not answer.
        """
        digest = hashlib.sha256(content).hexdigest()
        key = f"{self._folder}{name}"
        metadata = {"rows": str(rows), "sha256": digest, UNIQUE_ID: self._unique_id}
        put_object(self._bucket, key, content, content_type, metadata, self._encryption)
        return Part(key=key, rows=rows, size=len(content), sha256=digest)

    def find_parts(self) -> dict[str, Part]:
        """Return the parts that are there, by what their keys end in.

        Raises:
            S3Error: S3 refuses, or does not answer.
        """
        parts = {}
        for key, size in self._list().items():
            metadata = read_metadata(self._bucket, key)
            if self._is_ours(metadata) and {"rows", "sha256"} <= metadata.keys():
                part = Part(key=key, rows=int(metadata["rows"]), size=size, sha256=metadata["sha256"])
                parts[key.removeprefix(self._folder)] = part
        return parts

    def _list(self) -> dict[str, int]:
        """Return the size of each object of the batch, by key."""
        with asking(f"s3://{self._bucket}/{self._folder}", "list it") as client:
            return {item["Key"]: item["Size"] for item in list_objects(client, self._bucket, self._folder)}

    def _exists(self) -> bool:
        sizes = self._list()
        if self._key not in sizes:
            return False
        try:
            manifest = self._load()
            return all(sizes.get(part["key"]) == part["size"] for part in [*manifest["parts"], *manifest["rejected"]])
        except (ValueError, KeyError, TypeError):
            logger.warning("%s is damaged: it is made again", self.path())
            return False


class S3PointerTarget(S3JsonTarget):
    """The pointer to the manifest of the batch that readers are to take: it exists only if that manifest does.

    Args:
        bucket: name of the bucket.
        key: key of the object.
        unique_id: unique id of the task that puts the object; kept in the object's metadata.
        encryption: the arguments of S3's PutObject that ask for encryption.
        manifest: the manifest.
    """

    def __init__(
        self, bucket: str, key: str, unique_id: str, encryption: dict[str, Any], manifest: S3ManifestTarget
    ) -> None:
        super().__init__(bucket, key, unique_id, encryption)
        self.manifest = manifest

    def describe(self) -> dict[str, str]:
        """Return the accuracy, the number of rows and of those rejected, and the number of parts, as text.

        Raises:
            S3Error: the manifest cannot be read.
        """
        manifest = self.manifest.load()
        return {
            "accuracy": str(manifest["model"]["accuracy"]),
            "rows": str(manifest["rows_published"]),
            "rejected": str(manifest["rows_rejected"]),
            "parts": str(len(manifest["parts"])),
        }

    def put_beside(self, name: str, content: bytes, content_type: str) -> None:
        """Put another object beside the manifest, where no later batch replaces it.

        Raises:
            S3Error: S3 refuses, or does not answer.
        """
        self.manifest.put_beside(name, content, content_type)

    def _exists(self) -> bool:
        return super()._exists() and self.manifest.exists()
