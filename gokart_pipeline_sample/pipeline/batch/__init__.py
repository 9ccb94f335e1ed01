"""The tasks that score a table of new rows."""
