"""Draw the report of a run."""
