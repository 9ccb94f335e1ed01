"""Tasks that help to wire other tasks."""

from typing import Any, cast

import luigi
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import ViewTask


class GetDataTask(ViewTask[Any]):
    """Selects one of the named outputs of a task, as a view: no data is copied."""

    data_task: TaskParameter[Any] = TaskParameter("Task whose output is a dictionary.")
    name: luigi.Parameter[str] = luigi.Parameter(description="Key of that dictionary.")

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the output of that name, or raise a KeyError."""
        return cast("dict[str, FlattenableItems[TargetOnKart]]", self.data_task.output())[self.name]
