"""Tasks that put objects on S3."""

from __future__ import annotations

from typing import Any, TypeVar

import luigi

from gokart_pipeline_sample.utils.parameters import share
from gokart_pipeline_sample.utils.template import GokartTask

T = TypeVar("T")

# Its settings are those of all tasks that have none of their own.
OWNER = "gokart_pipeline_sample.UploadS3Task"


class S3DestinationTask(GokartTask[T]):
    """A task that puts objects on S3, by default into the bucket of ``UploadS3Task`` and encrypted like its object."""

    bucket: luigi.Parameter[str] = share(luigi.Parameter(description="Bucket to publish to."), OWNER, "bucket")
    server_side_encryption: luigi.ChoiceParameter[str] = share(
        luigi.ChoiceParameter(
            default="", choices=["", "AES256", "aws:kms"], description="SSE-S3, SSE-KMS, or the default of the bucket."
        ),
        OWNER,
        "server_side_encryption",
    )
    kms_key_id: luigi.Parameter[str] = share(
        luigi.Parameter(default="", description="KMS key for SSE-KMS; the AWS managed key for S3 when empty."),
        OWNER,
        "kms_key_id",
    )

    def encryption(self) -> dict[str, Any]:
        """Return the arguments of S3's PutObject that request the encryption."""
        arguments = {"ServerSideEncryption": self.server_side_encryption, "SSEKMSKeyId": self.kms_key_id}
        return {name: value for name, value in arguments.items() if value}
