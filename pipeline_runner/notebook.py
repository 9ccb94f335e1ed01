"""The settings of ``python main.py`` for a notebook or another program."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from gokart.build import GokartBuildError
from luigi.task_register import Register

from gokart_pipeline_sample.io.s3 import client_of_process
from gokart_pipeline_sample.io.tables import open_table
from pipeline_runner.arguments import parse_arguments
from pipeline_runner.command_line import providing_s3
from pipeline_runner.configuration import load_config
from pipeline_runner.recorder import RunRecorder


class BuildError(Exception):
    """A pipeline could not be built; the message names the task, the cause and what to do."""


@contextlib.contextmanager
def configured() -> Iterator[None]:
    """Let ``gokart.build`` run a task of the pipeline as ``python main.py`` does.

    luigi reads the configuration, and the embedded S3 runs as long as the context lasts if the environment names no
    other S3. Environment variables that it needs are set and reset.

    Raises:
        BuildError: a task failed, or its dependencies could not be determined.
        UsageError: the configuration or the environment is wrong.
    """
    before = dict(os.environ)
    try:
        with providing_s3(*parse_arguments([]), load_config()) as server:
            if server is not None:
                server.wait_until_ready()
                os.environ.update(server.environment())
            # What an earlier run in this process has seen may have changed: the objects, the server, the tables.
            Register.clear_instance_cache()
            client_of_process.cache_clear()
            open_table.cache_clear()
            recorder = RunRecorder()
            try:
                yield
            except GokartBuildError as error:
                failure = recorder.first_failure()
                raise BuildError(failure.message if failure else str(error)) from error
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)
