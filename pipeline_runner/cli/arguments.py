"""The command-line arguments: our own options and those of luigi."""

import argparse
import itertools
import re
import tomllib
from pathlib import Path

_HELP, _REFUSED = tomllib.loads(Path(__file__).with_name("help.toml").read_text("utf-8")).values()


def make_parser() -> argparse.ArgumentParser:
    """Make the parser of our own options."""
    parser = argparse.ArgumentParser(
        **_HELP, formatter_class=argparse.RawDescriptionHelpFormatter, add_help=False, allow_abbrev=False
    )
    parser.add_argument("-h", "--help", action="store_true", help="show these options and those of the task")
    parser.add_argument("--mermaid", action="store_true", help="with --plan: draw the tasks as a Mermaid diagram")
    parser.add_argument("--workspace-directory", metavar="FOLDER", help="folder or s3://… to keep results in")
    commands = parser.add_mutually_exclusive_group()
    commands.add_argument("--plan", action="store_true", help="show which tasks would run, and why; run nothing")
    commands.add_argument("--history", action="store_true", help="show the last runs")
    commands.add_argument("--fetch", metavar="KEY", nargs="?", const="", help="write what was published to stdout")
    commands.add_argument("--serve-s3", action="store_true", help="serve the embedded S3 until Ctrl-C")
    commands.add_argument("--champion", metavar="NAME", nargs="?", const="", help="show the champions, or go back")
    commands.add_argument("--clean", action="store_true", help="show what no run needs any more, or delete it")
    commands.add_argument("--new-table", metavar="TABLE", help="write the schema of a table, and use it from now on")
    return parser


def parse_arguments(arguments: list[str]) -> tuple[argparse.Namespace, list[str]]:
    """Separate our own options from the task and its options, which luigi parses; exit after help or an error."""
    parser = make_parser()
    options, others = parser.parse_known_args(arguments)
    if options.new_table or options.clean:
        return _parse_command(parser.prog, others + ["--help"] * options.help, options), []
    names_no_task = options.history or options.serve_s3 or (options.fetch, options.champion) != (None, None)
    if "--help-all" in others or (options.help and names_no_task):
        parser.print_help()
        if names_no_task:
            parser.exit()
        return options, others
    if others and names_no_task:
        parser.error(f"unrecognized arguments: {' '.join(others)}")
    for option, argument in itertools.pairwise(["", *others]):
        name, is_given, value = argument.partition("=")
        for reason, pattern in _REFUSED.items():
            if re.match(pattern, name):
                parser.error(f"argument {name}: it would have no effect here, or a wrong one: {reason}")
        if not argument or (name.startswith("--") and is_given and not value):
            # luigi would silently use the default instead.
            parser.error(f"argument {name or option}: expected a value; leave the option out to take the default")
    if options.mermaid and not options.plan:
        parser.error("argument --mermaid: not allowed without argument --plan")
    return options, others


def _parse_command(program: str, arguments: list[str], options: argparse.Namespace) -> argparse.Namespace:
    """Parse the options of a command; apart from the others, because tasks have options of these names, too."""
    command = "--clean" if options.clean else "--new-table TABLE"
    parser = argparse.ArgumentParser(f"{program} {command}", allow_abbrev=False)
    if options.clean:
        parser.add_argument("--keep", type=int, default=30, metavar="N", help="runs to keep, of each task (30)")
        parser.add_argument("--min-age", type=float, default=24.0, metavar="HOURS", help="keep what is younger (24)")
    else:
        parser.add_argument("--id", required=True, metavar="COLUMN", help="the column that identifies a row")
        parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
        parser.add_argument("--group", default=argparse.SUPPRESS, metavar="COLUMN", help="a customer or the like")
        parser.add_argument("--name", help="name of the table in the code; that of its file by default")
    parser.add_argument("--yes", action="store_true", help="delete it" if options.clean else "write without asking")
    given = [argument.partition("=")[0] for argument in arguments if argument.startswith("--")]
    for name in (name for name in given if given.count(name) > 1):
        parser.error(f"argument {name}: given more than once, and only one counts: give it once")
    parser.parse_args(arguments, options)
    if options.new_table and vars(options).get("group") in (options.id, options.target):
        parser.error("argument --group: give another column than --id and --target")
    if options.clean and (options.keep < 1 or options.min_age < 0):
        parser.error("argument --keep: at least 1; argument --min-age: at least 0")
    return options
