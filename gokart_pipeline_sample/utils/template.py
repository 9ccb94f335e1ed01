"""The bases of all tasks."""

import functools
import time
from logging import getLogger
from pathlib import PurePath
from typing import Any

import gokart
import luigi
from gokart.conflict_prevention_lock.task_lock import make_task_lock_params
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems, flatten
from luigi.parameter import ParameterVisibility

from gokart_pipeline_sample.io.file_formats import PROCESSORS, FormatProcessor
from gokart_pipeline_sample.io.s3 import is_s3
from gokart_pipeline_sample.io.targets import LocalWorkspaceTarget, S3WorkspaceTarget
from gokart_pipeline_sample.io.threads import settle_fork
from gokart_pipeline_sample.utils.parameters import T, get_encryption
from gokart_pipeline_sample.utils.task_definition import define_task, note_sources

logger = getLogger(__name__)

_TASKS = (gokart.TaskInstanceParameter, gokart.ListTaskInstanceParameter)


class GokartTask(gokart.TaskOnKart[T]):
    """The base of every task: by default its output is a frame in Parquet, and its code is an input."""

    task_namespace = "gokart_pipeline_sample"

    serialized_task_definition_check: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=True, significant=False, description="Whether a task runs again when its code changes."
    )
    # gokart's log files are pickles, which can run code when they are read, so none is written or read.
    should_dump_supplementary_log_files: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=False, significant=False, description="Whether gokart writes its own log files, as pickles."
    )

    # The file of the output, in the format that its ending tells; the frame of the task in Parquet if it is empty.
    file_name = ""
    # Whether another run has made the output meanwhile; None from the start of a run until gokart has looked.
    is_made: bool | None = False
    run_started = 0.0  # time.monotonic() then: luigi's duration is wrong if the clock is set meanwhile

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        note_sources(cls.__module__.partition(".")[0])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)  # type: ignore[no-untyped-call]
        # luigi asks for both repeatedly: a target on S3 remembers what S3 has said, and a chain takes 20 ms to create.
        self.output = functools.cache(self.output)  # type: ignore[method-assign]
        self.requires = functools.cache(self.requires)  # type: ignore[method-assign]

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the file of the task in the workspace."""
        return self.make_target(self.file_name or f"{type(self).__name__}.parquet")

    def make_target(
        self, relative_file_path: str | None = None, use_unique_id: bool = True, processor: Any = None
    ) -> TargetOnKart:
        """Return a workspace file, which exists only if it is intact; raise a TypeError for gokart's formats on S3."""
        path = PurePath(relative_file_path or "")
        processor = processor or PROCESSORS.get(path.suffix)
        if not isinstance(processor, FormatProcessor):
            if self.is_on_s3:
                # gokart's formats write local files first, and its client of S3 is not safe to share with workers.
                raise TypeError(f"{path} cannot be kept in a workspace on S3: take a FormatProcessor for its format")
            return super().make_target(relative_file_path, use_unique_id, processor)
        name = path.with_stem(f"{path.stem}_{self.make_unique_id()}") if use_unique_id else path
        place = f"{self.workspace_directory}/{name}"
        if self.is_on_s3:
            return S3WorkspaceTarget(place, processor, get_encryption())
        lock = make_task_lock_params(place, None, self.redis_host, self.redis_port, self.redis_timeout)
        return LocalWorkspaceTarget(place, processor, lock)

    @property
    def is_on_s3(self) -> bool:
        """Whether the workspace is on S3, so that no local file is written."""
        return is_s3(self.workspace_directory)

    def complete(self) -> bool:
        """Return whether the output exists; pass an error to the event handlers, because luigi only logs it."""
        try:
            found = super().complete()
        except Exception as error:
            self.trigger_event(luigi.Event.BROKEN_TASK, self, error)  # type: ignore[no-untyped-call]
            raise
        if self.is_made is None and self.complete_check_at_run:
            self.is_made = found
        return found

    def get_own_code(self) -> str:
        """Return the code and library versions of the task, which gokart includes in the task's unique id."""
        return define_task(type(self)).serialize()

    def to_str_params(self, only_significant: bool = False, only_public: bool = False) -> dict[str, str]:
        """Return the parameters as text, and tasks among them as their ids.

        gokart writes down each task with all that it requires, again and again: ten seconds for a diamond of depth 15.
        """
        hidden = {ParameterVisibility.PRIVATE, *([ParameterVisibility.HIDDEN] if only_public else [])}
        text = {}
        for name, parameter in self.get_params():  # type: ignore[no-untyped-call]
            if parameter.visibility not in hidden and (parameter.significant or not only_significant):
                value = self.param_kwargs[name]
                nested = isinstance(parameter, _TASKS)
                text[name] = " ".join(task.task_id for task in flatten(value)) if nested else parameter.serialize(value)
        return text

    def plain_parameters(self) -> dict[str, Any]:
        """Return the significant parameters that are not tasks, by name."""
        parameters = self.get_params()  # type: ignore[no-untyped-call]
        names = [name for name, value in parameters if value.significant and not isinstance(value, _TASKS)]
        return {name: self.param_kwargs[name] for name in names}

    def parameters_of(self, other: type[luigi.Task]) -> dict[str, Any]:
        """Return the plain parameters that another task has, too, to pass them on to it."""
        return {name: value for name, value in self.plain_parameters().items() if name in other.get_param_names()}

    def __repr__(self) -> str:
        """Return the name and plain parameters; gokart's version walks the chain of tasks for each log line."""
        parameters = ", ".join(f"{name}={value}" for name, value in self.plain_parameters().items())
        return f"{type(self).__name__}({parameters})"

    __str__ = __repr__


class ViewTask(GokartTask[T]):
    """A task that only names or groups the outputs of its requirements: it runs nothing and stores nothing."""

    complete_check_at_run: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=False, significant=False, description="A view has nothing to run."
    )

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the output of the required tasks."""
        return self.input()


@GokartTask.event_handler(luigi.Event.START)  # type: ignore[no-untyped-call, untyped-decorator]
def _prepare_run(task: GokartTask[object]) -> None:
    task.is_made, task.run_started = None, time.monotonic()
    settle_fork()


@GokartTask.event_handler(luigi.Event.PROCESSING_TIME)  # type: ignore[no-untyped-call, untyped-decorator]
def _log_processing_time(task: GokartTask[object], _: float) -> None:
    if not isinstance(task, ViewTask) and not task.is_made:
        logger.info("%s took %.2f s", type(task).__name__, time.monotonic() - task.run_started)
