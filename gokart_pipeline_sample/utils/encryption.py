"""The encryption of all objects that are put on S3: that of ``UploadS3Task``, unless a task has its own."""

from __future__ import annotations

from typing import Any

import luigi

# Its settings are those of all tasks that have none of their own, and of the workspace.
OWNER = "gokart_pipeline_sample.UploadS3Task"
SERVER_SIDE_ENCRYPTION: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
    default="", choices=["", "AES256", "aws:kms"], description="SSE-S3, SSE-KMS, or the default of the bucket."
)
KMS_KEY_ID: luigi.Parameter[str] = luigi.Parameter(
    default="", description="KMS key for SSE-KMS; the AWS managed key for S3 when empty."
)


def make_encryption(server_side_encryption: str, kms_key_id: str) -> dict[str, Any]:
    """Return the arguments of S3's PutObject that request an encryption."""
    arguments = {"ServerSideEncryption": server_side_encryption, "SSEKMSKeyId": kms_key_id}
    return {name: value for name, value in arguments.items() if value}


def get_encryption() -> dict[str, Any]:
    """Return the arguments of S3's PutObject that request the encryption of ``UploadS3Task``."""
    return make_encryption(
        SERVER_SIDE_ENCRYPTION.task_value(OWNER, "server_side_encryption"), KMS_KEY_ID.task_value(OWNER, "kms_key_id")
    )
