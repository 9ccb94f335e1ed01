"""Tasks that put objects on S3."""

from __future__ import annotations

from typing import TypeVar

import luigi

from gokart_pipeline_sample.io.s3 import Encryption
from gokart_pipeline_sample.utils.encryption import KMS_KEY_ID, OWNER, SERVER_SIDE_ENCRYPTION
from gokart_pipeline_sample.utils.parameters import share
from gokart_pipeline_sample.utils.template import GokartTask

T = TypeVar("T")


class S3DestinationTask(GokartTask[T]):
    """A task that puts objects on S3, by default into the bucket of ``UploadS3Task`` and encrypted like its object."""

    bucket: luigi.Parameter[str] = share(luigi.Parameter(description="Bucket to publish to."), OWNER, "bucket")
    server_side_encryption: luigi.ChoiceParameter[str] = share(SERVER_SIDE_ENCRYPTION, OWNER, "server_side_encryption")
    kms_key_id: luigi.Parameter[str] = share(KMS_KEY_ID, OWNER, "kms_key_id")

    def encryption(self) -> Encryption:
        """Return the encryption of the task's objects."""
        return Encryption(self.server_side_encryption, self.kms_key_id)
