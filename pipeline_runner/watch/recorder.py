"""Notes of what becomes of the tasks of a run."""

import json
import logging
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import luigi

from gokart_pipeline_sample.errors import AccuracyTooLowError, AlarmError, BadRowsError
from gokart_pipeline_sample.io.memory import open_memory_file
from pipeline_runner.error_messages import describe

logger = logging.getLogger(__name__)

UP_TO_DATE = "up to date"  # its output existed
NOT_NEEDED = "not needed"  # no task that ran needed its output
NOT_RUN = "not run"  # it should have run
STOPPED = "stopped"  # it began but did not finish
RAN, FAILED = "ran", "failed"


class Note(NamedTuple):
    """A change of state of a task, of which the last is its outcome, or a failure of luigi itself."""

    task_id: str | None  # None for luigi
    state: str  # one of those above
    seconds: float | None = None  # how long the task ran, if it finished
    message: str = ""  # the failure in one sentence, which begins with the name of the task
    is_low_accuracy: bool = False  # whether the only problem is that the model is not accurate enough


def find_failure(notes: Iterable[Note]) -> Note | None:
    """Return the first failure, if there is one."""
    return next((note for note in notes if note.message), None)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Return whether to log what a worker says: a refusal is normal, and the run ends with a line about it."""
    return not (record.exc_info and isinstance(record.exc_info[1], AccuracyTooLowError | AlarmError | BadRowsError))


class RunRecorder(logging.Handler):
    """Notes luigi's events of tasks, also those of forked workers, and from its log its own errors, which have none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        # A file, so that the notes of the workers reach their parent: all share the file position.
        self._notes = open_memory_file()
        self._callbacks: dict[str, Callable[..., None]] = {
            luigi.Event.DEPENDENCY_PRESENT: lambda task: self._note(task, UP_TO_DATE),
            luigi.Event.DEPENDENCY_DISCOVERED: self._note_planned,
            luigi.Event.START: lambda task: self._note(task, STOPPED),
            luigi.Event.PROCESSING_TIME: lambda task, seconds: self._note(
                task,
                UP_TO_DATE if getattr(task, "is_made", False) else RAN,
                time.monotonic() - getattr(task, "run_started", time.monotonic() - seconds),
            ),
            luigi.Event.FAILURE: self._note_error,
            luigi.Event.BROKEN_TASK: self._note_error,
            luigi.Event.PROCESS_FAILURE: self._note_error,
        }
        for event, callback in self._callbacks.items():
            luigi.Task.event_handler(event)(callback)
        logging.getLogger("luigi-interface").addHandler(self)
        logging.getLogger("gokart.worker").addFilter(_is_no_refusal)

    def stop(self) -> None:
        """Note nothing more, and forget all."""
        for event, callback in self._callbacks.items():
            luigi.Task.remove_event_handler(event, callback)
        logging.getLogger("luigi-interface").removeHandler(self)
        logging.getLogger("gokart.worker").removeFilter(_is_no_refusal)
        self._notes.close()

    def read(self) -> list[Note]:
        """Return the notes, in their order."""
        self._notes.seek(0)
        return [Note(*json.loads(line)) for line in self._notes.read().splitlines()]

    def emit(self, record: logging.LogRecord) -> None:
        """Note an error of luigi itself."""
        if record.exc_info and (error := record.exc_info[1]):
            self._note(None, FAILED, None, describe(error))

    def _note_planned(self, task: luigi.Task, requirement: luigi.Task) -> None:
        self._note(task, NOT_RUN)
        self._note(requirement, NOT_RUN)

    def _note_error(self, task: luigi.Task, error: BaseException | str) -> None:
        message = f"{type(task).__name__}: {describe(error)}"
        self._note(task, FAILED, None, message, isinstance(error, AccuracyTooLowError))

    def _note(self, task: luigi.Task | None, *note: Any) -> None:
        try:
            self._notes.write(json.dumps([task and task.task_id, *note]).encode() + b"\n")
        except OSError as error:
            logger.warning("the outcome of %s cannot be recorded: %s", type(task).__name__ if task else "luigi", error)
