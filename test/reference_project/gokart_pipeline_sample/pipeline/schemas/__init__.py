"""The schemas of all tables: the only place that names columns, the id, the target and the classes."""

from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema, PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

__all__ = ["BaseSchema", "FeatureSchema", "IrisFeatureSchema", "OutputSchema", "PredictionSchema", "PreprocessedSchema"]
