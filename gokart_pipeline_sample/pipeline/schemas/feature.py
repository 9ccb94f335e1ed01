"""The table that comes in, by the name that the tasks know it by. For a table of your own, name its schema here."""

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema as FeatureSchema

__all__ = ["FeatureSchema"]
