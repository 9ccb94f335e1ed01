"""How the tasks of this project behave."""

from __future__ import annotations

import functools
from logging import getLogger
from pathlib import Path
from typing import Any, TypeVar

import gokart
import luigi
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems, flatten

from gokart_pipeline_sample.io.damage import is_damaged
from gokart_pipeline_sample.io.parquet import ParquetProcessor
from gokart_pipeline_sample.utils.task_definition import define_task

logger = getLogger(__name__)

T = TypeVar("T")

_TASK_PARAMETERS = (gokart.TaskInstanceParameter, gokart.ListTaskInstanceParameter)


class GokartTask(gokart.TaskOnKart[T]):
    """The base of every task: its output is a frame in Parquet unless it says otherwise, and its code is an input."""

    task_namespace = "gokart_pipeline_sample"

    serialized_task_definition_check: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=True, significant=False, description="Whether a change of a task's code makes it run again."
    )
    # gokart's log files are pickles, and a pickle runs code when it is read: none is written or read.
    should_dump_supplementary_log_files: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=False, significant=False, description="Whether gokart writes log files of its own, as pickles."
    )

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the Parquet file that the task's frame is kept in."""
        return self.make_frame_target(type(self).__name__)

    def complete(self) -> bool:
        """Return whether the output is there and whole; if that cannot be said, tell why, which luigi only logs."""
        try:
            return super().complete() and not self.find_damaged()
        except Exception as error:
            self.trigger_event(luigi.Event.BROKEN_TASK, self, error)  # type: ignore[no-untyped-call]
            raise

    def kept_targets(self) -> list[TargetOnKart]:
        """Return all that the task keeps."""
        return flatten(self.output())

    def find_damaged(self) -> list[str]:
        """Return the paths of what the task keeps, but was cut off."""
        return [target.path() for target in self.kept_targets() if is_damaged(target.path())]

    def make_frame_target(self, name: str) -> TargetOnKart:
        """Return the Parquet file ``name`` of the workspace, with the task's unique id in its name."""
        return self.make_target(f"{name}.parquet", processor=ParquetProcessor())

    def get_own_code(self) -> str:
        """Return the code that the task computes with, which gokart makes a part of the task's unique id."""
        return define_task(type(self)).serialize()

    def get_task_log(self) -> dict[str, Any]:
        """Return what the task has noted in this process: gokart would read a pickle here."""
        return dict(self.task_log)

    def get_processing_time(self) -> str:
        """Return 'unknown': gokart would read a pickle here."""
        return "unknown"

    def plain_parameters(self) -> dict[str, Any]:
        """Return the significant parameters that are not tasks, by name."""
        return {
            name: value
            for name, value in self.param_kwargs.items()
            if (parameter := getattr(type(self), name)).significant and not isinstance(parameter, _TASK_PARAMETERS)
        }

    def serialize_parameters(self) -> dict[str, str]:
        """Return the significant parameters that are not tasks, by name, as text; of a table its fingerprint."""
        return {
            name: str(getattr(type(self), name).serialize(value)) for name, value in self.plain_parameters().items()
        }

    def __repr__(self) -> str:
        """Name the task and its plain parameters; gokart's own walks the chain of tasks, each time it is logged."""
        parameters = ", ".join(f"{name}={value}" for name, value in self.plain_parameters().items())
        return f"{type(self).__name__}({parameters})"

    __str__ = __repr__


class ViewTask(GokartTask[T]):
    """A task that only names or groups what its requirements put out: it runs nothing and stores nothing."""

    # There is no run to skip, so there is nothing to check, nor to warn of.
    complete_check_at_run: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=False, significant=False, description="Whether the output is checked again before the run."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # It is asked for again and again, and a chain of tasks takes 20 ms to make.
        self.requires = functools.cache(self.requires)  # type: ignore[method-assign]

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the output of what the task requires."""
        return self.input()


def _discard_damaged(task: GokartTask[object]) -> None:
    for path in task.find_damaged():
        logger.warning("%s is damaged: it is made again", path)
        Path(path).unlink()


def _log_processing_time(task: GokartTask[object], seconds: float) -> None:
    if not isinstance(task, ViewTask):
        logger.info("%s took %.2f s", type(task).__name__, seconds)


GokartTask.event_handler(luigi.Event.START)(_discard_damaged)  # type: ignore[no-untyped-call]
GokartTask.event_handler(luigi.Event.PROCESSING_TIME)(_log_processing_time)  # type: ignore[no-untyped-call]
