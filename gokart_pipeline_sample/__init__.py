"""A gokart pipeline that guards a table, trains LightGBM on it, checks the accuracy and publishes the predictions."""

from gokart_pipeline_sample.pipeline.run import RunBatchTask, RunNestTask, RunTask

__all__ = ["RunBatchTask", "RunNestTask", "RunTask"]
