"""The pipeline: one task a module."""
