"""The figures of a model, by the kind of its target."""

from gokart_pipeline_sample.pipeline.quality.number_scores import NumberQuality
from gokart_pipeline_sample.pipeline.quality.scores import ClassQuality
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

QUALITY: ClassQuality | NumberQuality = NumberQuality() if PreprocessedSchema.predicts_number() else ClassQuality()
