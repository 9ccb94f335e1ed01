"""The outcomes of the tasks of a run."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import luigi

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.io.memory import open_memory_file
from pipeline_runner.error_messages import describe

logger = logging.getLogger(__name__)

UP_TO_DATE, NOT_RUN, STOPPED, RAN, FAILED = "up to date", "not run", "stopped", "ran", "failed"


@dataclass
class Outcome:
    """The outcome of a task.

    Args:
        state: ``up to date``: its output existed; ``not run``: it should have run; ``stopped``: it began but did not
            finish; ``ran``: it finished; ``failed``.
        seconds: how long it ran, if it finished.
    """

    state: str
    seconds: float | None = None


@dataclass
class Failure:
    """A failure of a task or of luigi.

    Args:
        message: one sentence; it begins with the name of the task, if it is known.
        is_low_accuracy: whether the only problem is that the model is not accurate enough.
    """

    message: str
    is_low_accuracy: bool = False


class RunRecorder(logging.Handler):
    """Records luigi's events of the tasks of a run, in this process and in its forked workers.

    Errors of luigi itself trigger no event, so they are taken from its log.
    """

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        # A file, so that the notes of the workers reach their parent: all share the file position.
        self._notes = open_memory_file()
        self._callbacks: dict[str, Callable[..., None]] = {
            luigi.Event.DEPENDENCY_PRESENT: self._note_present,
            luigi.Event.DEPENDENCY_DISCOVERED: self._note_planned,
            luigi.Event.START: self._note_start,
            luigi.Event.PROCESSING_TIME: self._note_seconds,
            luigi.Event.FAILURE: self._note_error,
            luigi.Event.BROKEN_TASK: self._note_error,
            luigi.Event.PROCESS_FAILURE: self._note_death,
        }
        for event, callback in self._callbacks.items():
            luigi.Task.event_handler(event)(callback)
        logging.getLogger("luigi-interface").addHandler(self)

    def stop(self) -> None:
        """Record nothing more, and forget all."""
        for event, callback in self._callbacks.items():
            luigi.Task.remove_event_handler(event, callback)
        logging.getLogger("luigi-interface").removeHandler(self)
        self._notes.close()

    def outcomes(self) -> dict[str, Outcome]:
        """Return the outcomes of the tasks that luigi has planned, by task id, without tasks that nothing needed."""
        outcomes: dict[str, Outcome] = {}
        for note in self._read():
            known = outcomes[note["task_id"]].state if note["task_id"] in outcomes else None
            # A task is planned once for each task that needs it.
            if (
                note["task_id"]
                and not (note["state"] == NOT_RUN and known)
                and not (note["state"] == UP_TO_DATE and known == RAN)
            ):
                outcomes[note["task_id"]] = Outcome(note["state"], note["seconds"])
        return outcomes

    def first_failure(self) -> Failure | None:
        """Return the first failure, if there is one."""
        return next(
            (Failure(note["failure"], note["is_low_accuracy"]) for note in self._read() if note["failure"]), None
        )

    def has_noted_tasks(self) -> bool:
        """Return whether luigi has checked any task."""
        return any(note["task_id"] for note in self._read())

    def emit(self, record: logging.LogRecord) -> None:
        """Record an error of luigi itself."""
        if record.exc_info and record.exc_info[1] is not None:
            self._note(None, FAILED, failure=describe(record.exc_info[1]))

    def _note_present(self, task: luigi.Task) -> None:
        self._note(task, UP_TO_DATE)

    def _note_planned(self, task: luigi.Task, requirement: luigi.Task) -> None:
        self._note(task, NOT_RUN)
        self._note(requirement, NOT_RUN)

    def _note_start(self, task: luigi.Task) -> None:
        self._note(task, STOPPED)

    def _note_seconds(self, task: luigi.Task, seconds: float) -> None:
        self._note(task, RAN, seconds=seconds)

    def _note_error(self, task: luigi.Task, error: BaseException) -> None:
        message = f"{type(task).__name__}: {describe(error)}"
        self._note(task, FAILED, failure=message, is_low_accuracy=isinstance(error, AccuracyTooLowError))

    def _note_death(self, task: luigi.Task, message: str) -> None:
        self._note(task, FAILED, failure=f"{type(task).__name__}: {message}")

    def _note(
        self,
        task: luigi.Task | None,
        state: str,
        seconds: float | None = None,
        failure: str | None = None,
        is_low_accuracy: bool = False,
    ) -> None:
        note = {
            "task_id": task and task.task_id,
            "state": state,
            "seconds": seconds,
            "failure": failure,
            "is_low_accuracy": is_low_accuracy,
        }
        try:
            self._notes.write(json.dumps(note).encode() + b"\n")
        except OSError as error:
            logger.warning("the outcome of %s cannot be recorded: %s", type(task).__name__, error)

    def _read(self) -> list[dict[str, Any]]:
        self._notes.seek(0)
        return [json.loads(line) for line in self._notes.read().splitlines()]
