from __future__ import annotations

from gokart_pipeline_sample.pipeline.schemas import IrisFeatureSchema, PreprocessedSchema


class TestPreprocessedSchema:
    def test_adds_a_feature(self) -> None:
        assert PreprocessedSchema.feature_columns() == [*IrisFeatureSchema.feature_columns(), "petal_area"]
