"""Tasks that help to wire other tasks."""

from __future__ import annotations

from typing import Any, cast

import gokart
import luigi
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.view import ViewTask


class GetDataTask(ViewTask[Any]):
    """Selects one of the named outputs of a task, as a view: no data is copied."""

    data_task: TaskParameter[Any] = TaskParameter("Task whose output is a dictionary.")
    name: luigi.Parameter[str] = luigi.Parameter(description="Key of that dictionary.")

    def requires(self) -> gokart.TaskOnKart[Any]:
        """Return the task with the named outputs."""
        return self.data_task

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the output of that name.

        Raises:
            KeyError: the task has no output of that name.
        """
        outputs = cast("dict[str, FlattenableItems[TargetOnKart]]", self.input())
        return outputs[self.name]
