"""Tasks whose work a Dask cluster can do."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TypeVar

import luigi

from gokart_pipeline_sample.utils.dask_workers import connecting
from gokart_pipeline_sample.utils.mapping import Workers, starting_threads
from gokart_pipeline_sample.utils.parameters import SchedulerParameter, share
from gokart_pipeline_sample.utils.template import GokartTask

T = TypeVar("T")

# Its settings are those of all tasks that have none of their own.
OWNER = "gokart_pipeline_sample.ScoreTableTask"


class ClusterTask(GokartTask[T]):
    """A task that works in this process, or on the cluster of a Dask scheduler, with the same result."""

    dask_scheduler: SchedulerParameter = share(
        SchedulerParameter(
            default="",
            significant=False,
            description="Address of a Dask scheduler, tcp://HOST:PORT or tls://HOST:PORT; this process when empty.",
        ),
        OWNER,
        "dask_scheduler",
    )
    dask_timeout: luigi.NumericalParameter[float] = share(
        luigi.NumericalParameter(
            default=60.0,
            var_type=float,
            min_value=1.0,
            max_value=86_400.0,
            significant=False,
            description="Seconds without any Dask worker after which the task fails.",
        ),
        OWNER,
        "dask_timeout",
    )

    def start_workers(self, bucket: str = "") -> AbstractContextManager[Workers]:
        """Provide what does the work; with a bucket, workers elsewhere must be able to reach it."""
        if not self.dask_scheduler:
            return starting_threads()
        return connecting(self.dask_scheduler, self.dask_timeout, type(self), bucket)
