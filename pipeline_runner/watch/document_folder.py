"""A folder of small documents, on this machine or on S3."""

from __future__ import annotations

import tempfile
from pathlib import Path

from gokart_pipeline_sample.io.s3 import (
    BUCKET_ENCRYPTION,
    Encryption,
    get_object,
    is_s3,
    list_objects,
    put_object,
    s3_client,
    split_uri,
)


class DocumentFolder:
    """Stores documents by name; a method raises an OSError where a local file or folder cannot be used.

    Its location is a path or a URI on S3, and need not exist.
    """

    def __init__(self, location: str, encryption: Encryption = BUCKET_ENCRYPTION) -> None:
        self._is_on_s3 = is_s3(location)
        self._bucket, key = split_uri(location)
        self._prefix = f"{key}/"
        self._location = f"s3://{self._bucket}/{key}" if self._is_on_s3 else location
        self._encryption = encryption

    def locate(self, name: str) -> str:
        """Return the path or URI of a document."""
        return f"{self._location}/{name}"

    def names(self) -> list[str]:
        """Return the names of the documents, sorted."""
        if not self._is_on_s3:
            folder = Path(self._location)
            return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
        with s3_client(self._location, "list it") as client:
            objects = list_objects(client, self._bucket, self._prefix)
            return sorted(item["Key"].removeprefix(self._prefix) for item in objects)

    def read(self, name: str) -> bytes:
        """Return the content of a document."""
        if not self._is_on_s3:
            return Path(self.locate(name)).read_bytes()
        return get_object(self._bucket, f"{self._prefix}{name}")[0]

    def write(self, name: str, content: bytes, content_type: str) -> None:
        """Write a document; a reader sees all of it or nothing, and a local file is readable by its owner only."""
        if self._is_on_s3:
            put_object(self._bucket, f"{self._prefix}{name}", content, content_type, {}, self._encryption)
        else:
            folder = Path(self._location)
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            # tempfile creates files that are readable by their owner only.
            with tempfile.NamedTemporaryFile(dir=folder, prefix=".", delete=False) as file:
                file.write(content)
            Path(file.name).replace(folder / name)

    def delete(self, name: str) -> None:
        """Delete a document if it exists."""
        if self._is_on_s3:
            with s3_client(self.locate(name), "delete it") as client:
                client.delete_object(Bucket=self._bucket, Key=f"{self._prefix}{name}")
        else:
            Path(self.locate(name)).unlink(missing_ok=True)
