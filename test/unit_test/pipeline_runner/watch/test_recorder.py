from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator

import luigi
import pytest

from gokart_pipeline_sample.errors import AccuracyTooLowError, AlarmError, S3Error
from pipeline_runner.watch.recorder import FAILED, NOT_RUN, RAN, STOPPED, UP_TO_DATE, Note, RunRecorder, find_failure
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


class TestNotes:
    def test_of_a_run(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        first, second, third, *_ = tasks
        trigger(luigi.Event.DEPENDENCY_DISCOVERED, second, first)
        trigger(luigi.Event.DEPENDENCY_PRESENT, first)
        for task in (second, third):
            trigger(luigi.Event.START, task)
        trigger(luigi.Event.PROCESSING_TIME, second, 1.5)
        trigger(luigi.Event.FAILURE, third, ValueError("no"))

        assert [note._replace(seconds=note.seconds and 1.5) for note in recorder.read()] == [
            Note(second.task_id, NOT_RUN),
            Note(first.task_id, NOT_RUN),
            Note(first.task_id, UP_TO_DATE),
            Note(second.task_id, STOPPED),
            Note(third.task_id, STOPPED),
            Note(second.task_id, RAN, 1.5),
            Note(third.task_id, FAILED, message=f"{type(third).__name__}: ValueError: no"),
        ]

    def test_of_many_tasks_in_a_worker(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        process = os.fork()
        if process == 0:
            for task in tasks[:1] * 2000:  # More than a pipe would hold.
                trigger(luigi.Event.START, task)
                trigger(luigi.Event.PROCESSING_TIME, task, 1.0)
            os._exit(0)
        assert os.waitpid(process, 0)[1] == 0
        assert [note.state for note in recorder.read()] == [STOPPED, RAN] * 2000

    def test_of_a_duration_while_the_clock_is_set_back(
        self, recorder: RunRecorder, tasks: list[Task], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trigger(luigi.Event.START, tasks[0])
        monkeypatch.setattr(time, "time", lambda: 0.0)
        trigger(luigi.Event.PROCESSING_TIME, tasks[0], -3598.0)
        assert 0 <= recorder.read()[-1].seconds < 60


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
            trigger(luigi.Event.DEPENDENCY_PRESENT, tasks[0])
        assert "the outcome of LoadDataTask cannot be recorded: [Errno 28] No space left on device" in caplog.text


class TestRefusals:
    @pytest.mark.parametrize(
        ("error", "is_logged"),
        [
            (AccuracyTooLowError("no"), False),
            (AlarmError("no"), False),
            (S3Error("no"), True),
            (ValueError("no"), True),
        ],
    )
    @pytest.mark.usefixtures("recorder")
    def test_have_no_traceback(self, error: Exception, is_logged: bool, caplog: pytest.LogCaptureFixture) -> None:
        logging.getLogger("gokart.worker").error("a worker failed", exc_info=error)
        assert ("a worker failed" in caplog.text) == is_logged

    def test_have_one_after_the_run(self, caplog: pytest.LogCaptureFixture) -> None:
        RunRecorder().stop()
        logging.getLogger("gokart.worker").error("a worker failed", exc_info=AccuracyTooLowError("no"))
        assert "a worker failed" in caplog.text


class TestFindFailure:
    def test_is_none_when_nothing_fails(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        trigger(luigi.Event.START, tasks[0])
        trigger(luigi.Event.PROCESSING_TIME, tasks[0], 1.0)
        assert find_failure(recorder.read()) is None

    def test_names_the_task(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        trigger(luigi.Event.FAILURE, tasks[0], ValueError("no"))
        trigger(luigi.Event.PROCESS_FAILURE, tasks[1], "died")
        assert find_failure(recorder.read()).message == "LoadDataTask: ValueError: no"

    def test_tells_the_gate_from_other_failures(self, recorder: RunRecorder, tasks: list[Task]) -> None:
        trigger(luigi.Event.FAILURE, tasks[0], AccuracyTooLowError("too low"))
        failure = find_failure(recorder.read())
        assert (failure.message, failure.is_low_accuracy) == ("LoadDataTask: too low", True)

    @pytest.mark.parametrize(
        ("code", "message"),
        [
            (-9, "LoadDataTask: a worker was killed, mostly for lack of memory: give it more, or run with fewer "),
            (-11, "LoadDataTask: Task LoadDataTask() died unexpectedly with exit code -11"),
            (9, "LoadDataTask: Task LoadDataTask() died unexpectedly with exit code 9"),
        ],
    )
    def test_says_what_to_do_about_a_worker_that_was_killed(
        self, recorder: RunRecorder, tasks: list[Task], code: int, message: str
    ) -> None:
        trigger(luigi.Event.PROCESS_FAILURE, tasks[0], f"Task LoadDataTask() died unexpectedly with exit code {code}")
        assert find_failure(recorder.read()).message.startswith(message)

    def test_is_what_luigi_breaks_on(self, recorder: RunRecorder) -> None:
        try:
            raise ValueError("no")
        except ValueError:
            logging.getLogger("luigi-interface").exception("Luigi unexpected framework error")
        assert find_failure(recorder.read()).message == "ValueError: no"
