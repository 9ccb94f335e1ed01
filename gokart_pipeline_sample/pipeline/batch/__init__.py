"""The tasks of RunBatchTask alone."""
