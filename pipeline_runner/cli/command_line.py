"""The command line ``python main.py``."""

import argparse
import configparser
import contextlib
import gc
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from pipeline_runner.cli.arguments import parse_arguments
from pipeline_runner.cli.configuration import load_config
from pipeline_runner.cli.streams import prepare_streams
from pipeline_runner.errors import UsageError, advise
from pipeline_runner.local_s3 import embedded_s3
from pipeline_runner.paths import COMMAND, IS_INSTALLED, PROJECT
from pipeline_runner.signals import handling_signals


def main() -> None:
    """Do what the arguments say, and exit with a status of docs/configuration.md; an error ends stderr."""
    prepare_streams()
    # Searching the half a million objects that imports create and keep, again and again, takes half a second.
    gc.set_threshold(1_000_000)
    with handling_signals():
        try:
            sys.exit(execute(*parse_arguments(sys.argv[1:])))
        except Exception as error:
            # By name: the import of the package that defines this error has failed.
            is_schema = type(error).__name__ == "SchemaDefinitionError"
            if not (is_schema or isinstance(error, (UsageError, configparser.Error, OSError)) or advise(error)):
                raise
            problem = " ".join(str(error).split()) or type(error).__name__
            print("error: the schema" if is_schema else "error:", problem + advise(error), file=sys.stderr)
            sys.exit(2)


def execute(options: argparse.Namespace, arguments: list[str]) -> int:
    """Do what our own options say, with a task and its options as luigi takes them, and return the exit status."""
    started = time.monotonic()
    if find_spec("gokart") is None:
        raise UsageError("this Python lacks the packages: run make setup, and then .venv/bin/python main.py")
    config = load_config(options.workspace_directory)
    workspace = config.get("TaskOnKart", "workspace_directory")
    with contextlib.ExitStack() as stack:
        if options.new_table and not IS_INSTALLED:
            import_no_table(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        server = stack.enter_context(providing_s3(options, arguments, config))
        # The pipeline is imported while the server starts.
        from luigi.task_register import TaskClassException

        from gokart_pipeline_sample.errors import PipelineError
        from pipeline_runner.adopt.new_table import adopt_table
        from pipeline_runner.cli.root_task import resolving, show_help
        from pipeline_runner.error_messages import describe
        from pipeline_runner.run import run
        from pipeline_runner.upkeep import champion, clean, published
        from pipeline_runner.watch.history import History
        from pipeline_runner.watch.plan import show_plan

        if server is not None:
            server.wait_until_ready()
            os.environ.update(server.environment())
        try:
            if options.help:
                return show_help(arguments)
            if options.serve_s3 and server is not None:
                return published.serve(server)
            if options.new_table:
                roles = {vars(options)[role]: role for role in ("id", "target", "group") if role in options}
                return adopt_table(options.new_table, roles, options.name, is_agreed=options.yes)
            if options.history:
                print(History(workspace))
                return 0
            if options.fetch is not None:
                return published.fetch(options.fetch)
            if options.champion is not None:
                return champion.show_champions(options.champion)
            if options.clean:
                lock_folder = config.get("core", "lock_pid_dir", fallback="")
                return clean.clean(workspace, lock_folder, options.keep, options.min_age, is_agreed=options.yes)
        except (OSError, PipelineError, TaskClassException) as error:
            raise UsageError(describe(error)) from error
        with resolving(arguments) as root:
            if options.plan:
                return show_plan(root, workspace, options.mermaid)
            place = shlex.join(["--workspace-directory", workspace] if options.workspace_directory else [])
            fetching = f"{COMMAND} --fetch {{key}} {place}".strip() if server else f"{COMMAND} --fetch {{url}}"
            return run(root, workspace, fetching, started)


def import_no_table(folder: Path) -> None:
    """Let a new table be adopted even if today's schema is broken: import a copy of the pipeline that has none."""
    package = shutil.copytree(PROJECT / "gokart_pipeline_sample", folder / "gokart_pipeline_sample")
    templates = PROJECT / "pipeline_runner" / "adopt" / "templates" / "no_table"
    for template in templates.rglob("*.tmpl"):
        shutil.copy(template, package / template.relative_to(templates).with_suffix(".py"))
    sys.path.insert(0, str(folder))


@contextlib.contextmanager
def providing_s3(
    options: argparse.Namespace, arguments: list[str], config: configparser.ConfigParser
) -> Iterator[embedded_s3.EmbeddedS3 | None]:
    """Provide the embedded S3, which may still be starting, if there is no other S3 and one is needed."""
    workspace = config.get("TaskOnKart", "workspace_directory")
    directory = Path(workspace) / "s3"
    is_local = options.new_table and not options.new_table.startswith("s3://")
    needs_none = options.help or "--help-all" in arguments or options.history or is_local
    setting = config.get("gokart_pipeline_sample.UploadS3Task", "bucket", raw=True, fallback="${BUCKET_NAME}")
    is_option = any(argument.partition("=")[0].endswith("Task-bucket") for argument in arguments)
    has_bucket = is_option or "${BUCKET_NAME}" not in setting or (options.fetch or "").startswith("s3://")
    if not (options.serve_s3 or (not (needs_none or has_bucket) and embedded_s3.is_wanted(os.environ))):
        yield None
        return
    if workspace.startswith("s3://"):
        raise UsageError(f"the embedded S3 keeps its data in a folder, and {workspace} is none: set BUCKET_NAME")
    with contextlib.ExitStack() as stack:
        only_looks = options.plan or options.fetch is not None or options.champion is not None or options.clean
        if only_looks and not directory.exists():
            # Nothing has been published yet, and who only looks must not create a folder.
            directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        elif not (only_looks or options.serve_s3):
            print(f"BUCKET_NAME is not set: publishing to the embedded S3 in {directory}", file=sys.stderr)
        for variable in [name for name in os.environ if name.startswith("AWS_")]:
            del os.environ[variable]
        os.environ |= dict.fromkeys(("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"), os.devnull)
        yield stack.enter_context(embedded_s3.running(directory))
