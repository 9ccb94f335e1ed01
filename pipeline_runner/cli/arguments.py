"""The command-line arguments: our own options and those of luigi."""

from __future__ import annotations

import argparse
import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from luigi.configuration import LuigiConfigParser

DESCRIPTION = "Run a task of the pipeline with the configuration conf/param.ini."
EPILOG = """examples:
  %(prog)s
      run gokart_pipeline_sample.RunTask
  %(prog)s --require-acc 0.95
      run it with another parameter
  %(prog)s TASK --local-scheduler [OPTION ...]
      run any task
  %(prog)s --plan TASK --local-scheduler [OPTION ...]
      show which of its tasks would run
  %(prog)s --clean [--keep N] [--min-age HOURS] [--yes]
      show what no pointer and none of the last N runs needs, or delete it
  %(prog)s --new-table TABLE --id COLUMN --target COLUMN [--name NAME] [--yes]
      write the schema of another table, and use it

Options of luigi and of the task follow."""
HELP = ("--help", "--help-all")
UPLOAD = "gokart_pipeline_sample.UploadS3Task"


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Separate our own options from the task and its options, which luigi parses.

    Args:
        arguments: the command-line arguments.

    Returns:
        Our own options ``help``, ``plan``, ``mermaid``, ``history``, ``serve_s3``, ``champion``, ``clean`` (with
        ``keep``, ``min_age`` and ``yes``) and ``new_table`` (with ``id``, ``target``, ``name`` and ``yes``), and the
        other arguments.

    Raises:
        SystemExit: options contradict each other; argparse has reported it on stderr.
    """
    parser = argparse.ArgumentParser(
        usage="%(prog)s [--plan [--mermaid]] [TASK] [OPTION ...]\n       "
        "%(prog)s --history | --serve-s3 | --champion [NAME] | --clean ... | --new-table TABLE ...",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        add_help=False,
        allow_abbrev=False,
    )
    parser.add_argument("-h", "--help", action="store_true", help="show the options, and those of the task")
    actions = parser.add_mutually_exclusive_group()
    actions.add_argument("--plan", action="store_true", help="show which tasks would run, and why; run nothing")
    parser.add_argument("--mermaid", action="store_true", help="with --plan: draw the tasks as a Mermaid diagram")
    actions.add_argument("--history", action="store_true", help="show the last runs")
    actions.add_argument("--serve-s3", action="store_true", help="serve the embedded S3 until Ctrl-C")
    actions.add_argument(
        "--champion", metavar="NAME", nargs="?", const="", help="show the champions, or go back to one of them"
    )
    actions.add_argument("--clean", action="store_true", help="show what no run needs any more, or delete it")
    actions.add_argument("--new-table", metavar="TABLE", help="write the schema of a table, and use it from now on")
    options, others = parser.parse_known_args(arguments)
    if options.help and (options.new_table or options.clean):
        # Their own help.
        others = [*others, "--help"]
    if options.new_table:
        return _parse_table_options(parser.prog, others, options), []
    if options.clean:
        return _parse_clean_options(parser.prog, others, options), []
    if options.help or "--help-all" in others:
        parser.print_help()
        if stands_alone(options):
            parser.exit()
        return options, [*others, "--help"] if options.help else others
    if others and stands_alone(options):
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    for option, argument in itertools.pairwise(["", *others]):
        name, is_given, value = argument.partition("=")
        if not argument or (name.startswith("--") and is_given and not value):
            # luigi would silently use the default instead.
            parser.error(f"argument {name or option}: expected a value; leave the option out to take the default")
    if options.mermaid and not options.plan:
        parser.error("argument --mermaid: not allowed without argument --plan")
    return options, others


def stands_alone(options: argparse.Namespace) -> bool:
    """Return whether the options name something else than a task to run or to plan."""
    return bool(options.history or options.serve_s3 or options.clean) or options.champion is not None


def _parse_clean_options(program: str, arguments: list[str], options: argparse.Namespace) -> argparse.Namespace:
    clean_parser = argparse.ArgumentParser(prog=f"{program} --clean", allow_abbrev=False)
    clean_parser.add_argument("--keep", type=int, default=30, metavar="N", help="runs to keep, of each task (30)")
    clean_parser.add_argument(
        "--min-age", type=float, default=24.0, metavar="HOURS", help="keep what is younger, for runs elsewhere (24)"
    )
    clean_parser.add_argument("--yes", action="store_true", help="delete it")
    parsed = clean_parser.parse_args(arguments, options)
    if parsed.keep < 1 or parsed.min_age < 0:
        clean_parser.error("argument --keep: at least 1; argument --min-age: at least 0")
    return parsed


def _parse_table_options(program: str, arguments: list[str], options: argparse.Namespace) -> argparse.Namespace:
    """Parse the options of --new-table; apart from the others, because tasks have options of these names, too."""
    table_parser = argparse.ArgumentParser(prog=f"{program} --new-table TABLE", allow_abbrev=False)
    table_parser.add_argument("--id", required=True, metavar="COLUMN", help="the column that identifies a row")
    table_parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    table_parser.add_argument("--name", help="name of the table in the code; that of its file by default")
    table_parser.add_argument("--yes", action="store_true", help="write without asking")
    return table_parser.parse_args(arguments, options)


def needs_bucket_name(arguments: list[str], config: LuigiConfigParser) -> bool:
    """Return whether the bucket comes from ``BUCKET_NAME``, and not from an option or the configuration file."""
    if set(HELP).intersection(arguments):
        return False
    if any(argument.partition("=")[0].endswith("Task-bucket") for argument in arguments):
        return False
    return "${BUCKET_NAME}" in config.get(UPLOAD, "bucket", "${BUCKET_NAME}", raw=True)
