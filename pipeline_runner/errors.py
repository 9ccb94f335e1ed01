"""Errors of the command line, which can be raised before the pipeline and its errors are imported."""


class UsageError(Exception):
    """The command line, the configuration or the environment is wrong; the message names the remedy."""


class ConfigurationError(UsageError):
    """A section or key of the configuration is unknown; the message names it and suggests a similar one."""


class EmbeddedS3Error(UsageError):
    """The embedded S3 is not wanted, not installed, or does not start."""
