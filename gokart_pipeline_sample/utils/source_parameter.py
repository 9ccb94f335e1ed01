"""The parameter of tasks that ask a database; apart, so that its code is no input of others."""

import luigi

from gokart_pipeline_sample.io.database import find_source


class SourceParameter(luigi.Parameter[str]):
    """Name of a database of the configuration; the identity of a task depends on the name only."""

    def normalize(self, x: str) -> str:
        """Return the name, or nothing; raise a SettingError if no run could use the source."""
        return find_source(x).name if x else x
