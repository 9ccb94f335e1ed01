from __future__ import annotations

import pytest

from gokart_pipeline_sample.io.manifest import S3ManifestTarget
from gokart_pipeline_sample.io.s3 import Encryption


class TestS3ManifestTarget:
    @pytest.mark.parametrize(
        ("prefix", "folder"),
        [("batch", "batch/"), ("/a//b/", "a/b/"), ("a/b", "a/b/"), ("", ""), ("/", "")],
    )
    def test_lies_in_a_folder_of_its_own_beside_the_pointer(self, prefix: str, folder: str) -> None:
        manifest = S3ManifestTarget("some-bucket", prefix, "some-id", Encryption())
        assert manifest.key == f"{folder}some-id/manifest.json"
        assert manifest.path() == f"s3://some-bucket/{folder}some-id/manifest.json"
        pointer = manifest.make_pointer("other-id")
        assert pointer.path() == f"s3://some-bucket/{folder}latest.json"
        assert pointer.manifest is manifest
