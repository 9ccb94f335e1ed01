"""The task named on the command line, with all tasks that it depends on."""

import re
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
from gokart_pipeline_sample.utils.template import ViewTask
from pipeline_runner.cli.arguments import make_parser
from pipeline_runner.cli.configuration import check_names
from pipeline_runner.error_messages import describe
from pipeline_runner.errors import UsageError
from pipeline_runner.watch.task_graph import Report, RootTask, TaskGraph

RECURSION_LIMIT = 10_000
NAMESPACE = "gokart_pipeline_sample."
# Options of a command line, and of [core], that choose luigi's scheduler.
SCHEDULERS = ("local_scheduler", "scheduler_host", "scheduler_port", "scheduler_url")


def complete(arguments: list[str]) -> list[str]:
    """Return the full name of the task, ``RunTask`` by default, and its options, with the local scheduler by default.

    Names of tasks may lack the namespace of the project, also where an option of another task begins with its name.
    """
    full = {name.removeprefix(NAMESPACE): name for name in Register.task_names() if name.startswith(NAMESPACE)}
    begins_with_task = arguments[:1] and not arguments[0].startswith("-")
    named = [word for word in arguments if begins_with_task or word in full or word in full.values()][:1]
    options, config = [*arguments], luigi.configuration.get_config()
    if named:
        options.remove(named[0])
    for number, option in enumerate(options):
        if (owner := re.match(r"--(\w+)-", option)) and owner[1] in full:
            options[number] = f"--{full[owner[1]].replace('_', '-')}{option[owner.end(1) :]}"
    given = {option.partition("=")[0].removeprefix("--").replace("-", "_") for option in options}
    if given.isdisjoint(SCHEDULERS) and not any(config.has_option("core", name) for name in SCHEDULERS):
        options.insert(0, "--local-scheduler")
    (task,) = named or ["RunTask"]
    return [full.get(task, task), *options]


def show_help(arguments: list[str]) -> int:
    """Print our own options and those of the task that the arguments name; return the exit status."""
    task, parser, inherited = Register.get_task_cls(complete(arguments)[0]), make_parser(), gokart.TaskOnKart
    group = parser.add_argument_group(f"options of {task.__name__}")
    for name, parameter in task.get_params():
        if not hasattr(inherited, name):
            # The rest, in which luigi lists permitted values, is part of --help-all.
            description = re.split(r"[.;] |\.$", parameter.description)[0]
            group.add_argument(f"--{name.replace('_', '-')}", metavar="…", help=description)
    parser.print_help()
    return 0


@contextmanager
def resolving(arguments: list[str]) -> Iterator[RootTask]:
    """Make the task of the arguments, or ``RunTask`` if they name none; until the end, parameters have their values."""
    # gokart computes the ids of a chain of tasks recursively.
    sys.setrecursionlimit(RECURSION_LIMIT)
    arguments = complete(arguments)
    check_names(luigi.configuration.get_config())
    with ExitStack() as stack:
        try:
            parser = stack.enter_context(CmdlineParser.global_instance(arguments))
            graph, settings = TaskGraph(parser.get_task_obj()), luigi.interface.core()
            if isinstance(graph.error, SettingError):
                raise graph.error
            if isinstance(graph.root, ViewTask) and any(each.partition("=")[0] == "--rerun" for each in arguments):
                raise UsageError(f"{type(graph.root).__name__} has nothing to run again: name a task (--TASK-rerun)")
            if settings.take_lock or settings.lock_size != 1:
                raise UsageError("take_lock and lock_size are not available: stop the other run, or set no_lock")
            if settings.workers < 1:
                raise UsageError(f"workers is {settings.workers}: give at least 1")
            if file := settings.logging_conf_file:  # luigi would take an error in it for one of its own.
                ConfigParser().read_string(Path(file).read_text("utf-8"), file)
            lock_folder = None if settings.no_lock else Path(settings.lock_pid_dir)
            root = RootTask(arguments, graph, Report(), SlackConfig(), lock_folder, get_encryption())
        except Exception as error:
            # luigi raises many kinds for mistakes in the arguments.
            raise UsageError(describe(error)) from error
        yield root
