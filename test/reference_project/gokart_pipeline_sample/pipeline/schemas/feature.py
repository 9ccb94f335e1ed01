"""The schema of the input table, under the name that all tasks import; import your own schema here instead."""

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema as FeatureSchema

__all__ = ["FeatureSchema"]
