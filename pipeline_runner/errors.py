"""The errors of the command line. They are raised before the pipeline, and so its own tree of errors, is imported.

UsageError
├── ConfigurationError   a name in the configuration is not known
└── EmbeddedS3Error      the embedded S3 is not wanted, not installed, or does not start
"""

from __future__ import annotations


class UsageError(Exception):
    """The command line, the configuration or the environment is wrong; the message names the remedy."""


class ConfigurationError(UsageError):
    """A section or a key of the configuration is not known; the message names it and one that is similar."""


class EmbeddedS3Error(UsageError):
    """The embedded S3 is not wanted, not installed, or does not start."""
