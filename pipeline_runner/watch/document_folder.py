"""A folder of small documents, on this machine or on S3."""

import tempfile
from pathlib import Path

from gokart_pipeline_sample.io.s3 import Encryption, get_object, is_s3, list_objects, put_object, s3_client, split_uri


class DocumentFolder:
    """Documents by name, at a path, where access may raise an OSError, or at a URI on S3; it need not exist."""

    def __init__(self, location: str, encryption: Encryption) -> None:
        self._is_on_s3 = is_s3(location)
        self._location = "s3://" + "/".join(split_uri(location)) if self._is_on_s3 else location
        self._encryption = encryption

    def locate(self, name: str) -> str:
        """Return the path or URI of a document."""
        return f"{self._location}/{name}"

    def names(self, ending: str = "") -> list[str]:
        """Return the names of the documents with an ending, sorted."""
        if not self._is_on_s3:
            return sorted(path.name for path in Path(self._location).glob(f"*{ending}"))
        bucket, key = split_uri(self._location)
        keys = sorted(item["Key"] for item in list_objects(bucket, f"{key}/") if item["Key"].endswith(ending))
        return [found.removeprefix(f"{key}/") for found in keys]

    def read(self, name: str) -> bytes:
        """Return the content of a document."""
        place = self.locate(name)
        return get_object(*split_uri(place))[0] if self._is_on_s3 else Path(place).read_bytes()

    def write(self, name: str, content: bytes, content_type: str) -> None:
        """Write a document; a reader sees all of it or nothing, and a local file is readable by its owner only."""
        place = self.locate(name)
        if self._is_on_s3:
            put_object(*split_uri(place), content, content_type, {}, self._encryption)
            return
        folder = Path(self._location)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
            file = Path(temporary, name)
            file.touch(0o600)
            file.write_bytes(content)
            file.replace(place)

    def delete(self, name: str) -> None:
        """Delete a document if it exists."""
        place = self.locate(name)
        if not self._is_on_s3:
            Path(place).unlink(missing_ok=True)
            return
        bucket, key = split_uri(place)
        with s3_client(place, "delete it") as client:
            client.delete_object(Bucket=bucket, Key=key)
