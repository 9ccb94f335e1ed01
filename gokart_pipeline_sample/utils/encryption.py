"""The encryption of all objects that are put on S3: that of ``UploadS3Task``, unless a task has its own."""

from __future__ import annotations

import luigi

from gokart_pipeline_sample.io.s3 import Encryption

# Its settings are those of all tasks that have none of their own, and of the workspace.
OWNER = "gokart_pipeline_sample.UploadS3Task"
SERVER_SIDE_ENCRYPTION: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
    default="", choices=["", "AES256", "aws:kms"], description="SSE-S3, SSE-KMS, or the default of the bucket."
)
KMS_KEY_ID: luigi.Parameter[str] = luigi.Parameter(
    default="", description="KMS key for SSE-KMS; the AWS managed key for S3 when empty."
)


def get_encryption() -> Encryption:
    """Return the encryption of ``UploadS3Task``."""
    return Encryption(
        SERVER_SIDE_ENCRYPTION.task_value(OWNER, "server_side_encryption"), KMS_KEY_ID.task_value(OWNER, "kms_key_id")
    )
