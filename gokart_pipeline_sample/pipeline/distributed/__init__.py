"""The tasks that train a model on a table that no single machine holds."""
