from __future__ import annotations

import pytest

from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task


class TestUploadS3Task:
    def test_is_another_task_for_another_place_or_encryption(self) -> None:
        variants = [
            {"bucket": "a"},
            {"bucket": "b"},
            {"bucket": "a", "key": "daily/output.csv"},
            {"bucket": "a", "bom": True},
            {"bucket": "a", "server_side_encryption": "AES256"},
            {"bucket": "a", "server_side_encryption": "aws:kms"},
            {"bucket": "a", "server_side_encryption": "aws:kms", "kms_key_id": "alias/key"},
        ]
        unique_ids = {UploadS3Task(output_task=LoadDataTask(), **variant).make_unique_id() for variant in variants}
        assert len(unique_ids) == len(variants)

    def test_refuses_an_encryption_that_s3_does_not_know(self) -> None:
        with pytest.raises(ValueError, match="rot13"):
            UploadS3Task(output_task=LoadDataTask(), bucket="a", server_side_encryption="rot13")
