"""The tasks that only RunBatchTask uses."""
