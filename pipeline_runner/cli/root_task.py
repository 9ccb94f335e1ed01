"""The task named on the command line, with all tasks that it depends on."""

import sys
from collections.abc import Iterator
from configparser import ConfigParser
from contextlib import ExitStack, contextmanager
from pathlib import Path

import gokart
import luigi.interface
from gokart.slack import SlackConfig
from luigi.cmdline_parser import CmdlineParser
from luigi.task_register import Register

import gokart_pipeline_sample  # noqa: F401 (registers the tasks)
from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.utils.parameters import get_encryption
from pipeline_runner.cli.configuration import check_names
from pipeline_runner.error_messages import describe
from pipeline_runner.errors import UsageError
from pipeline_runner.watch.task_graph import Report, RootTask, TaskGraph

RECURSION_LIMIT = 10_000
DEFAULT_TASK = ["gokart_pipeline_sample.RunTask", "--local-scheduler"]


@contextmanager
def resolving(arguments: list[str]) -> Iterator[RootTask]:
    """Make the task of the arguments, or ``RunTask`` if they name none; until the end, parameters have their values."""
    # gokart computes the ids of a chain of tasks recursively.
    sys.setrecursionlimit(RECURSION_LIMIT)
    names_a_task = bool(arguments) and not arguments[0].startswith("-")
    if not names_a_task and not set(Register.task_names()).intersection(arguments):
        arguments = [*DEFAULT_TASK, *arguments]
    check_names(luigi.configuration.get_config())
    with ExitStack() as stack:
        try:
            parser = stack.enter_context(CmdlineParser.global_instance(arguments))
            graph, settings = TaskGraph(parser.get_task_obj()), luigi.interface.core()
            if isinstance(graph.error, SettingError):
                raise graph.error
            if settings.take_lock or settings.lock_size != 1:
                raise UsageError("take_lock and lock_size are not available: stop the other run, or set no_lock")
            if settings.workers < 1:
                raise UsageError(f"workers is {settings.workers}: give at least 1")
            if file := settings.logging_conf_file:  # luigi would take an error in it for one of its own.
                ConfigParser().read_string(Path(file).read_text("utf-8"), file)
            lock_folder = None if settings.no_lock else Path(settings.lock_pid_dir)
            only_looks = bool(gokart.tree_info().mode or gokart.test_run().pandas)
            root = RootTask(arguments, graph, Report(), SlackConfig(), lock_folder, get_encryption(), only_looks)
        except Exception as error:
            # luigi raises many kinds for mistakes in the arguments.
            raise UsageError(describe(error)) from error
        yield root
