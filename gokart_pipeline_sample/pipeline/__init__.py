"""The pipeline, one task per module."""
