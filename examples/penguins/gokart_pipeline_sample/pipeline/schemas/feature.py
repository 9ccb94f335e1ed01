"""The table that comes in, by the name that the tasks know it by. For a table of your own, name its schema here."""

from gokart_pipeline_sample.pipeline.schemas.penguin_feature import PenguinFeatureSchema as FeatureSchema

__all__ = ["FeatureSchema"]
