"""The command line of the pipeline.

python main.py                      runs gokart_pipeline_sample.RunTask with conf/param.ini
python main.py --require-acc 0.95   the same with another parameter
python main.py TASK [OPTION ...]    runs any task
python main.py --serve-s3           serves what was published to the embedded S3, until Ctrl-C
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luigi.configuration import LuigiConfigParser

    from gokart_pipeline_sample.io.embedded_s3 import EmbeddedS3

PROJECT = Path(__file__).resolve().parent
DEFAULT_TASK = ["gokart_pipeline_sample.RunTask", "--local-scheduler"]
PATH_OPTIONS = ("workspace_directory", "local_temporary_directory", "logging_conf_file")


def main(arguments: list[str]) -> int | str | None:
    """Run what the arguments ask for, beside an embedded S3 server if there is no bucket to publish to.

    Args:
        arguments: a task and its options as luigi takes them, or options of ``RunTask`` alone.

    Returns:
        What the process exits with.
    """
    # SIGTERM ends a run in order, as Ctrl-C does: its workers and its server end with it.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    config = load_config()

    from gokart_pipeline_sample.io import embedded_s3

    directory = Path(config.get("TaskOnKart", "workspace_directory")) / "s3"
    try:
        if arguments == ["--serve-s3"]:
            with embedded_s3.running(directory) as server:
                return serve(server, config.get("gokart_pipeline_sample.UploadS3Task", "key"))
        if {"--help", "--help-all"}.intersection(arguments) or not embedded_s3.is_wanted(os.environ):
            return run(arguments)
        print(f"BUCKET_NAME is not set: publishing to the embedded S3 in {directory}", file=sys.stderr)
        with embedded_s3.running(directory) as server:
            server.wait_until_ready()
            os.environ.update(server.environment())
            return run(arguments, fetch="make s3")
    except embedded_s3.EmbeddedS3Error as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def load_config() -> LuigiConfigParser:
    """Have luigi read ``conf/param.ini``, or what ``LUIGI_CONFIG_PATH`` names, with paths relative to this folder."""
    # luigi looks at these when it is imported.
    os.environ.setdefault("LUIGI_CONFIG_PARSER", "ini")
    os.environ.setdefault("LUIGI_CONFIG_PATH", str(PROJECT / "conf" / "param.ini"))
    import luigi.configuration

    config: LuigiConfigParser = luigi.configuration.get_config()
    for section in config.sections():
        for option in PATH_OPTIONS:
            value = config.get(section, option, "")
            if value and "://" not in value:
                config.set(section, option, str(PROJECT / value).replace("%", "%%"))
    return config


def run(arguments: list[str], fetch: str = "aws s3 cp {url} -") -> int | str | None:
    """Run a task and, when the pipeline has published, say what and where.

    Args:
        arguments: see :func:`main`.
        fetch: command that leads to the object at ``{url}``.

    Returns:
        What the process exits with.
    """
    import gokart
    from luigi.cmdline_parser import CmdlineParser

    from gokart_pipeline_sample import RunTask

    if not arguments or arguments[0].startswith("-"):
        arguments = [*DEFAULT_TASK, *arguments]
    # Its summary names tasks with all that they are made of; ours comes below.
    logging.getLogger("luigi-interface").setLevel(logging.WARNING)
    # luigi and gokart read these two sections in part behind the back of what counts the keys that are read.
    warnings.filterwarnings("ignore", message=r".*not consumed by the task '(core|retcode)'")
    try:
        gokart.run(arguments)
    except SystemExit as end:
        if end.code != 0 or {"--help", "--help-all"}.intersection(arguments):
            return end.code
    # Tasks see the command line only in here.
    with CmdlineParser.global_instance(arguments) as parser:
        task = parser.get_task_obj()
        if isinstance(task, RunTask):
            published = task.requires().output()
            description = published.describe()
            print(f"accuracy   {float(description['accuracy']):.4f} (required: more than {task.require_acc})")
            print(f"rows       {description['rows']}")
            print(f"published  {published.path()}")
            print(f"fetch      {fetch.format(url=published.path())}")
    return 0


def serve(server: EmbeddedS3, key: str) -> int:
    """Serve the embedded S3 until Ctrl-C.

    Args:
        server: the running server.
        key: key of an object to show how to fetch it.

    Returns:
        The exit code.
    """
    server.wait_until_ready()
    environment = server.environment()
    bucket = environment.pop("BUCKET_NAME")
    variables = " ".join(f"{name}={value}" for name, value in environment.items())
    print(f"endpoint     {server.endpoint}")
    print(f"credentials  {environment['AWS_SHARED_CREDENTIALS_FILE']}")
    print(f"fetch        {variables} aws s3 cp s3://{bucket}/{key} -")
    print("Ctrl-C stops it.", flush=True)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
