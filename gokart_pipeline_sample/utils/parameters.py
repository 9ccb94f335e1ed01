"""Tables as parameters of tasks."""

from __future__ import annotations

import luigi

from gokart_pipeline_sample.io.tables import open_table


class TableParameter(luigi.Parameter[str]):
    """Path or URI of a table. What counts for a task's identity is the content: neither the name nor the time."""

    def serialize(self, x: str) -> str:
        """Return the fingerprint of the table, of which luigi and gokart make a task's identity.

        Raises:
            TableError: there is no such table.
            S3Error: S3 refuses to list it, or does not answer.
        """
        return open_table(x).fingerprint if x else ""
