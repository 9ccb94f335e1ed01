"""The command line of the pipeline.

python main.py                      runs gokart_pipeline_sample.RunTask with conf/param.ini
python main.py --require-acc 0.95   the same with another parameter
python main.py TASK [OPTION ...]    runs any task
python main.py --plan [TASK ...]    shows what would run, and why; with --mermaid it draws the tasks
python main.py --history            shows the last runs
python main.py --serve-s3           serves what was published to the embedded S3, until Ctrl-C
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import gc
import hashlib
import logging
import multiprocessing
import os
import shlex
import shutil
import signal
import sys
import tempfile
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from pipeline_runner import embedded_s3

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

    from luigi.configuration import LuigiConfigParser


PROJECT = Path(__file__).resolve().parent
DEFAULT_TASK = ["gokart_pipeline_sample.RunTask", "--local-scheduler"]
PATH_OPTIONS = ("table", "workspace_directory", "local_temporary_directory", "logging_conf_file", "lock_pid_dir")
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM)
CANNOT_BE_PLANNED = 50  # luigi's scheduling_error
LAST_LINES: dict[object, str] = {10: "this command is running already: wait for it to end, or stop it"}
UPLOAD = "gokart_pipeline_sample.UploadS3Task"


class UsageError(Exception):
    """The command line, the configuration or the environment is wrong; the message says what to do."""


def main(arguments: list[str]) -> int | str | None:
    """Do what the arguments ask for, and say in the last line on stderr what is wrong if it cannot be done.

    Args:
        arguments: a task and its options as luigi takes them, or options of ``RunTask`` alone.

    Returns:
        What the process exits with: see the README.
    """
    for number in STOP_SIGNALS:
        signal.signal(number, stop)
    # A signal waits until a worker is there and knows what to do.
    os.register_at_fork(
        before=functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOP_SIGNALS),
        after_in_parent=functools.partial(signal.pthread_sigmask, signal.SIG_UNBLOCK, STOP_SIGNALS),
        after_in_child=end_at_signals,
    )
    # Python drops and reports what is raised in callbacks of its own, a fork's for instance; stop() raises it again.
    sys.unraisablehook = ignore_interrupts
    # Imports make half a million objects that stay, among which Python looks for garbage again and again: half a second
    # for nothing. So it starts when run() has imported.
    gc.disable()
    try:
        return start(arguments)
    except (UsageError, configparser.Error) as error:
        print("error:", *str(error).split(), file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)
        name = signal.Signals(interrupt.args[0]).name
        print(f"error: stopped by {name}: the next run goes on where this one stopped", file=sys.stderr, flush=True)
        return 128 + int(interrupt.args[0])


def end_at_signals() -> None:
    """Have a worker end when it is told to: it has nothing to put in order, its parent does that."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def ignore_interrupts(unraisable: UnraisableHookArgs) -> None:
    """Report what could not be raised, unless it is an interrupt."""
    if not issubclass(unraisable.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(unraisable)


def end(status: int | str | None) -> NoReturn:
    """Exit as sys.exit does, but at once.

    Python would look for garbage once more, wait for luigi's queue, which an interrupt may have met, and abort if
    pyarrow still reads ahead in a thread.
    """
    if isinstance(status, str):
        print(status, file=sys.stderr)
        status = 1
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status or 0)


def stop(number: int, _frame: object) -> None:
    """End the run with what luigi lets through, a KeyboardInterrupt; again and again, as its event handlers do not."""
    signal.signal(signal.SIGALRM, lambda *_: interrupt(number))
    # Soon: a worker that the same signal has ended would be a failed task to luigi.
    signal.setitimer(signal.ITIMER_REAL, 0.1, 1)
    interrupt(number)


def interrupt(number: int) -> NoReturn:
    """Raise what tells of a signal."""
    raise KeyboardInterrupt(number)


def start(arguments: list[str]) -> int | str | None:
    """Do what the arguments ask for, beside the embedded S3 if that is needed."""
    config = load_config()
    workspace = config.get("TaskOnKart", "workspace_directory")
    directory = Path(workspace) / "s3"
    is_plan = "--plan" in arguments
    try:
        if arguments == ["--history"]:
            return show_history(workspace)
        if arguments == ["--serve-s3"]:
            with embedded_s3.running(directory) as server:
                return serve(server)
        act = functools.partial(plan if is_plan else run, arguments, workspace)
        if not needs_bucket_name(arguments, config) or not embedded_s3.is_wanted(os.environ):
            return act()
        for variable in embedded_s3.OTHER_S3_VARIABLES:
            os.environ.pop(variable, None)  # It is empty; boto3 would take it for a value.
        with contextlib.ExitStack() as stack:
            if is_plan and not directory.exists():
                # Nothing was published yet, and a plan leaves it at that.
                directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            elif not is_plan:
                print(f"BUCKET_NAME is not set: publishing to the embedded S3 in {directory}", file=sys.stderr)
            return act(stack.enter_context(embedded_s3.running(directory)))
    except (embedded_s3.EmbeddedS3Error, OSError) as error:
        raise UsageError(error) from error


def load_config() -> LuigiConfigParser:
    """Have luigi read ``conf/param.ini``, or what ``LUIGI_CONFIG_PATH`` names, with paths relative to this folder."""
    # luigi looks at these when it is imported.
    os.environ.setdefault("LUIGI_CONFIG_PARSER", "ini")
    file = os.environ.setdefault("LUIGI_CONFIG_PATH", str(PROJECT / "conf" / "param.ini"))
    if not Path(file).is_file():
        raise UsageError(f"there is no configuration file {file}: correct LUIGI_CONFIG_PATH")
    import luigi.configuration

    config: LuigiConfigParser = luigi.configuration.get_config()
    if not config.has_option("TaskOnKart", "workspace_directory"):
        config.set("TaskOnKart", "workspace_directory", "resources")
    if not config.has_option("core", "lock_pid_dir"):
        # luigi's own folder is one for the machine, in which equal commands of two projects or users meet.
        project = hashlib.sha256(str(PROJECT).encode()).hexdigest()[:16]
        config.set("core", "lock_pid_dir", str(Path(tempfile.gettempdir()) / f"luigi-{os.getuid()}-{project}"))
    for section in config.sections():
        for option in PATH_OPTIONS:
            value = config.get(section, option, "")
            if value and "://" not in value:
                config.set(section, option, str(PROJECT / value).replace("%", "%%"))
    return config


def needs_bucket_name(arguments: list[str], config: LuigiConfigParser) -> bool:
    """Return whether the bucket comes from ``BUCKET_NAME``, and not from an option or the configuration file."""
    if {"-h", "--help", "--help-all"}.intersection(arguments):
        return False
    if any(argument.partition("=")[0].endswith("Task-bucket") for argument in arguments):
        return False
    return "${BUCKET_NAME}" in config.get(UPLOAD, "bucket", "${BUCKET_NAME}", raw=True)


def prepare(arguments: list[str], server: embedded_s3.EmbeddedS3 | None) -> list[str]:
    """Import the tasks, lead them to the S3, and refuse what is wrong before anything runs.

    Args:
        arguments: see :func:`main`.
        server: the embedded S3 to publish to, which may still be starting.

    Returns:
        The arguments for luigi.
    """
    import luigi
    from luigi.task_register import Register

    import pipeline_runner.closing  # noqa: F401 (the tasks, and the settings)
    from pipeline_runner.configuration import check_names

    gc.freeze()
    gc.enable()
    if server is not None:
        server.wait_until_ready()
        os.environ.update(server.environment())
    arguments = ["--help" if argument == "-h" else argument for argument in arguments]
    task_names = set(Register.task_names())
    if all(argument.startswith("-") for argument in arguments[:1]) and not task_names.intersection(arguments):
        arguments = [*DEFAULT_TASK, *arguments]
    if any(argument.startswith("--delete-unnecessary-output-files") for argument in arguments):
        raise UsageError("--delete-unnecessary-output-files would delete the embedded S3 and learning curves: use rm")
    check_names(luigi.configuration.get_config())
    # luigi and gokart read these two sections in part behind the back of what counts the keys that are read.
    warnings.filterwarnings("ignore", message=r".*not consumed by the task '(core|retcode)'")
    return arguments


@contextlib.contextmanager
def reading_the_command_line() -> Iterator[None]:
    """Take what is raised for a mistake in the arguments."""
    from pipeline_runner.error_messages import describe

    try:
        yield
    except Exception as error:
        raise UsageError(describe(error)) from error


def run(arguments: list[str], workspace: str, server: embedded_s3.EmbeddedS3 | None = None) -> int | str | None:
    """Run a task; say what and where the pipeline has published, or what went wrong.

    Args:
        arguments: see :func:`main`.
        workspace: path or URI of the workspace.
        server: the embedded S3 to publish to, which may still be starting.

    Returns:
        What the process exits with.
    """
    started = datetime.now(UTC)
    arguments = prepare(arguments, server)
    # luigi declares ten thousand options, and argparse asks for the size of the terminal at each of them.
    columns, lines = shutil.get_terminal_size()
    os.environ.update(COLUMNS=str(columns), LINES=str(lines))
    import gokart

    from pipeline_runner.closing import close_run
    from pipeline_runner.recorder import RunRecorder

    # Its summary names tasks with all that they are made of; ours comes below.
    logging.getLogger("luigi-interface").setLevel(logging.WARNING)
    recorder = RunRecorder()
    fetch = "aws s3 cp {url} -" if server is None else "make s3"
    close = functools.partial(close_run, recorder, workspace, started=started, command=arguments, fetch=fetch)
    try:
        # A run ends with a SystemExit.
        with reading_the_command_line():
            gokart.run(arguments)
    except KeyboardInterrupt as interrupt:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for worker in multiprocessing.active_children():
            worker.kill()
            worker.join()
        close(exit_status=128 + int(interrupt.args[0]))
        raise
    except SystemExit as end:
        summary = close(exit_status=end.code if isinstance(end.code, int) else int(end.code is not None))
        for name, value in summary.items():
            print(f"{name:10} {value}", file=sys.stderr if end.code else sys.stdout)
        if end.code and (failure := recorder.first_failure()):
            print(f"error: {failure.message}", file=sys.stderr)
        elif end.code in LAST_LINES:
            print(f"error: {LAST_LINES[end.code]}", file=sys.stderr)
        return end.code
    return 0


def plan(arguments: list[str], workspace: str, server: embedded_s3.EmbeddedS3 | None = None) -> int:
    """Show what would run and why, or draw it, and touch nothing.

    Args:
        arguments: see :func:`main`.
        workspace: path or URI of the workspace.
        server: the embedded S3 to look at, which may still be starting.

    Returns:
        The exit code.
    """
    options = [argument for argument in arguments if argument not in ("--plan", "--mermaid")]
    options = prepare(options, server)
    from luigi.cmdline_parser import CmdlineParser

    from pipeline_runner.error_messages import describe
    from pipeline_runner.history import History
    from pipeline_runner.plan import make_plan
    from pipeline_runner.task_graph import TaskGraph

    with reading_the_command_line(), CmdlineParser.global_instance(options) as parser:
        root = parser.get_task_obj()
        try:
            graph = TaskGraph(root)
            planned = make_plan(graph, History(workspace).records(graph.family))
        except Exception as error:
            print(f"error: {type(root).__name__}: {describe(error)}", file=sys.stderr)
            return CANNOT_BE_PLANNED
    print(graph.to_mermaid(planned.up_to_date) if "--mermaid" in arguments else planned)
    return 0


def show_history(workspace: str) -> int:
    """Show the last runs."""
    from pipeline_runner.history import History

    with reading_the_command_line():
        print(History(workspace))
    return 0


def serve(server: embedded_s3.EmbeddedS3) -> int:
    """Serve the embedded S3 until Ctrl-C.

    Args:
        server: the server, which may still be starting.

    Returns:
        The exit code.
    """
    server.wait_until_ready()
    environment = server.environment()
    bucket = environment.pop("BUCKET_NAME")
    objects = server.connect().list_objects_v2(Bucket=bucket).get("Contents", [])
    _, key = max(((item["LastModified"], item["Key"]) for item in objects), default=(None, "output.csv"))
    variables = " ".join(f"{name}={shlex.quote(value)}" for name, value in environment.items())
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {environment['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"fetch        {variables} aws s3 cp {shlex.quote(f's3://{bucket}/{key}')} -")
    print("Ctrl-C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    return 0


if __name__ == "__main__":
    end(main(sys.argv[1:]))
