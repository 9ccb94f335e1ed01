"""The settings of ``python main.py`` for a notebook or another program."""

import contextlib
import io
import os
import threading
import warnings
from collections.abc import Iterator

from gokart.build import GokartBuildError
from luigi.configuration import get_config
from luigi.task_register import Register

import pipeline_runner.cli.root_task  # noqa: F401 (registers the tasks)
from gokart_pipeline_sample.io.s3 import client_of_process
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.utils.task_definition import define_task
from pipeline_runner.cli.arguments import parse_arguments
from pipeline_runner.cli.command_line import providing_s3
from pipeline_runner.cli.configuration import check_names, load_config
from pipeline_runner.errors import UsageError
from pipeline_runner.watch.recorder import RunRecorder, find_failure

_in_use = threading.Lock()


class BuildError(Exception):
    """A pipeline could not be built; the message names the task, the cause and what to do."""


@contextlib.contextmanager
def configured() -> Iterator[None]:
    """Let ``gokart.build`` run a task of the pipeline as ``python main.py`` does.

    The embedded S3 runs as long as the context lasts if the environment names no other S3. Afterwards the environment
    and the configuration are as before. Logging is left to the program, also later. Raise a BuildError if a task
    failed, or its dependencies could not be determined; a UsageError if the configuration or the environment is wrong,
    or another such context has not ended.
    """
    if not _in_use.acquire(blocking=False):
        raise UsageError("configured() is in use: only one such context at a time can change the process")
    environment, config, settings = dict(os.environ), get_config("ini"), io.StringIO()
    config.write(settings)
    try:
        with warnings.catch_warnings(), contextlib.ExitStack() as stack:
            check_names(load_config())
            # A handler can be installed in the main thread alone, and would stay.
            config.set("gokart_worker", "no_install_shutdown_handler", "true")
            config.set("core", "no_configure_logging", "true")
            server = stack.enter_context(providing_s3(*parse_arguments([]), config))
            if server is not None:
                server.wait_until_ready()
                os.environ.update(server.environment())
            # What an earlier run in this process has seen may have changed: objects, the server, tables, the code.
            Register.clear_instance_cache()
            client_of_process.cache_clear()
            open_table.cache_clear()
            define_task.cache_clear()
            recorder = RunRecorder()
            stack.callback(recorder.stop)
            try:
                yield
            except GokartBuildError as error:
                failure = find_failure(recorder.read())
                raise BuildError(failure.message if failure else str(error)) from error
    finally:
        os.environ.clear()
        os.environ.update(environment)
        config.clear()
        config.read_string(settings.getvalue())
        _in_use.release()
