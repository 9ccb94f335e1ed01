"""Errors of the pipeline; those of the command line are in ``pipeline_runner/errors.py``."""


class PipelineError(Exception):
    """Base of all errors of the pipeline; the message names the problem and the remedy."""


class AccuracyTooLowError(PipelineError):
    """The model is not accurate enough to publish its predictions; the message gives both accuracies."""


class AlarmError(PipelineError):
    """A batch, or its truth, raises alarms, and they fail the run; the message gives them."""


class BadRowsError(PipelineError):
    """A table has rows that break its schema; the message counts them by column and check and gives the first ids."""


class ChampionError(PipelineError):
    """The champion cannot be compared with another model, or cannot be used; the message says what to do."""


class ClusterError(PipelineError):
    """A Dask cluster cannot be used, or is lost; the message names the process that differs, and how."""


class DamagedFileError(PipelineError):
    """A file of the workspace, or an object, differs from what the pipeline wrote; the message names it."""


class DatabaseError(PipelineError):
    """A database refuses, does not answer, or has what the pipeline cannot take; the message names its source."""


class PredictionError(PipelineError):
    """A compiled model does not predict what LightGBM predicts, to the last bit."""


class S3Error(PipelineError):
    """S3 refuses a request or does not respond; the message names the object."""


class SchemaDefinitionError(PipelineError):
    """A schema describes columns in a way that the pipeline cannot use; the message says what to write instead."""


class SettingError(PipelineError, ValueError):
    """A parameter has a value that cannot be meant, whatever the run would find; the message names it."""


class TableError(PipelineError):
    """A table cannot be read, or has too few rows; the message names the file."""
