from __future__ import annotations

import logging
import os
from collections.abc import Iterator

import luigi
import pytest

from gokart_pipeline_sample.errors import AccuracyTooLowError
from pipeline_runner.watch.recorder import FAILED, NOT_RUN, RAN, STOPPED, UP_TO_DATE, Outcome, RunRecorder
from pipeline_runner.watch.task_graph import Task, TaskGraph


@pytest.fixture
def recorder() -> Iterator[RunRecorder]:
    recorder = RunRecorder()
    yield recorder
    recorder.stop()


@pytest.fixture
def tasks(graph: TaskGraph) -> list[Task]:
    return list(graph.tasks.values())


def trigger(event: str, task: Task, *arguments: object) -> None:
    task.trigger_event(event, task, *arguments)


class TestOutcomes:
    def test_of_a_run(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        first, second, third, fourth, fifth, *_ = tasks
        trigger(luigi.Event.DEPENDENCY_DISCOVERED, fifth, fourth)
        trigger(luigi.Event.DEPENDENCY_DISCOVERED, fourth, third)
        trigger(luigi.Event.DEPENDENCY_DISCOVERED, third, second)
        trigger(luigi.Event.DEPENDENCY_DISCOVERED, second, first)
        trigger(luigi.Event.DEPENDENCY_PRESENT, first)
        trigger(luigi.Event.DEPENDENCY_DISCOVERED, third, first)
        for task in (second, third, fourth):
            trigger(luigi.Event.START, task)
        trigger(luigi.Event.PROCESSING_TIME, second, 1.5)
        trigger(luigi.Event.FAILURE, third, ValueError("no"))

        assert recorder.outcomes() == {
            first.task_id: Outcome(UP_TO_DATE),
            second.task_id: Outcome(RAN, 1.5),
            third.task_id: Outcome(FAILED),
            fourth.task_id: Outcome(STOPPED),
            fifth.task_id: Outcome(NOT_RUN),
        }

    def test_of_many_tasks_in_a_worker(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        process = os.fork()
        if process == 0:
            for number in range(2000):  # More than a pipe would hold.
                trigger(luigi.Event.PROCESSING_TIME, tasks[0], float(number))
            os._exit(0)
        assert os.waitpid(process, 0)[1] == 0
        assert recorder.outcomes() == {tasks[0].task_id: Outcome(RAN, 1999.0)}


class TestHasNotedTasks:
    def test_tells_whether_luigi_has_looked_at_a_task(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        logging.getLogger("luigi-interface").error("no", exc_info=ValueError("no"))
        assert not recorder.has_noted_tasks()
        trigger(luigi.Event.DEPENDENCY_PRESENT, tasks[0])
        assert recorder.has_noted_tasks()


class TestFullDisk:
    def test_is_said_and_stops_nothing(
        self,
        recorder: RunRecorder,
        tasks: list[Task],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        with open("/dev/full", "a+b", buffering=0) as full:  # noqa: PTH123 - pathlib opens no such file unbuffered
            monkeypatch.setattr(recorder, "_notes", full)
            trigger(luigi.Event.PROCESSING_TIME, tasks[0], 1.0)
        assert "the outcome of LoadDataTask cannot be recorded: [Errno 28] No space left on device" in caplog.text


class TestFirstFailure:
    def test_is_none_when_nothing_fails(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        trigger(luigi.Event.PROCESSING_TIME, tasks[0], 1.0)
        assert recorder.first_failure() is None

    def test_names_the_task(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        trigger(luigi.Event.FAILURE, tasks[0], ValueError("no"))
        trigger(luigi.Event.PROCESS_FAILURE, tasks[1], "died")
        assert recorder.first_failure().message == "LoadDataTask: ValueError: no"

    def test_tells_the_gate_from_other_failures(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        trigger(luigi.Event.FAILURE, tasks[0], AccuracyTooLowError("too low"))
        failure = recorder.first_failure()
        assert (failure.message, failure.is_low_accuracy) == ("LoadDataTask: too low", True)

    def test_is_what_luigi_breaks_on(self, recorder: RunRecorder) -> None:
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("luigi-interface").exception("Luigi unexpected framework error")
        assert recorder.first_failure().message == "ValueError: no"
