"""The schemas of all tables: the only place that names columns, the id, the target and the classes."""
