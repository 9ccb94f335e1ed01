"""Tasks that put to S3."""

from __future__ import annotations

from typing import Any, TypeVar

import luigi

from gokart_pipeline_sample.utils.template import GokartTask

T = TypeVar("T")

_SECTION = "gokart_pipeline_sample.UploadS3Task"


class S3DestinationTask(GokartTask[T]):
    """A task that puts to S3. Where to, and how it is encrypted, is said for all of them in UploadS3Task's section."""

    bucket: luigi.Parameter[str] = luigi.Parameter(
        config_path={"section": _SECTION, "name": "bucket"}, description="Bucket to publish to."
    )
    server_side_encryption: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="",
        choices=["", "AES256", "aws:kms"],
        config_path={"section": _SECTION, "name": "server_side_encryption"},
        description="SSE-S3, SSE-KMS or what the bucket does by itself.",
    )
    kms_key_id: luigi.Parameter[str] = luigi.Parameter(
        default="",
        config_path={"section": _SECTION, "name": "kms_key_id"},
        description="KMS key of SSE-KMS; the account's own key for S3 when empty.",
    )

    def encryption(self) -> dict[str, Any]:
        """Return the arguments of S3's PutObject that ask for the encryption."""
        arguments = {"ServerSideEncryption": self.server_side_encryption, "SSEKMSKeyId": self.kms_key_id}
        return {name: value for name, value in arguments.items() if value}
