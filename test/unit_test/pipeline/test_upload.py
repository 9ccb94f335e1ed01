from __future__ import annotations

import pandas as pd
import pytest
from support.fruits import FruitSchema

from gokart_pipeline_sample.pipeline import upload
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

    @pytest.mark.parametrize("color", [["01", "=1+1"], ["NA", "1"]])
    def test_reads_text_back_as_it_was_published(self, monkeypatch: pytest.MonkeyPatch, color: list[str]) -> None:
        monkeypatch.setattr(upload, "PreprocessedSchema", FruitSchema)
        processor = UploadS3Task(output_task=LoadDataTask(), bucket="a").output().processor
        published = pd.DataFrame({"id": [3, 7], "pred": [2, 0], "weight": [0.5, 2.0], "color": color})
        pd.testing.assert_frame_equal(processor.deserialize(processor.serialize(published)), published)
