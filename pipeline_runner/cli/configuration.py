"""The configuration file: its location, its relative paths, and a check for unknown names."""

import itertools
import os
import re
import tempfile
import warnings
from collections.abc import Iterable
from configparser import ConfigParser
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pipeline_runner.errors import UsageError
from pipeline_runner.paths import DEFAULTS, IS_INSTALLED, PROJECT

_FOLDERS = ("workspace_directory", "local_temporary_directory", "lock_pid_dir")
PATH_OPTIONS = ("table", "query_file", "logging_conf_file", *_FOLDERS)
_SOURCES = "gokart_pipeline_sample.Source."  # whose keys are options of the drivers of databases
# Options of [core] that luigi reads without declaring them as parameters.
_CORE = {"autoload_range", "no_configure_logging", "rpc_connect_timeout", "rpc_retry_attempts", "rpc_retry_wait"}


def load_config(given: str | None = None) -> ConfigParser:
    """Make luigi read ``conf/param.ini``, or the file in ``LUIGI_CONFIG_PATH``, with paths relative to the project.

    A file that cannot be used is a UsageError, and one that is no ini file a configparser.Error.
    """
    # luigi reads these variables when it is imported.
    os.environ["LUIGI_CONFIG_PARSER"] = "ini"
    files = find_files()
    os.environ.pop("LUIGI_CONFIG_PATH", None)  # luigi would ignore that it cannot read a file.
    # luigi and dill ask for the temporary directory when they are imported, and Python would write a file to find one.
    found, tempfile.tempdir = tempfile.tempdir, os.environ.get("TMPDIR", "/tmp")  # noqa: S108
    try:
        from luigi.configuration import get_config

        config: ConfigParser = get_config("ini")
        # luigi has also read luigi.cfg in the working directory: start again without it.
        config.clear()
        config["DEFAULT"].clear()
        config.read_dict({"TaskOnKart": {"workspace_directory": "resources"}})
        for file in files:
            config.read_string(Path(file).read_text("utf-8-sig"), file)
        os.environ["LUIGI_CONFIG_PATH"] = files[-1]
    except UnicodeDecodeError as error:
        raise UsageError(f"the configuration file {files[-1]} is no text in UTF-8: save it as such") from error
    _require_variables(config)
    if given is not None:
        place = given if "://" in given or not given.strip() else str(Path.cwd() / given)
        config.set("TaskOnKart", "workspace_directory", place.replace("%", "%%"))
    workspace = config.get("TaskOnKart", "workspace_directory")
    is_local = "://" not in workspace
    if not workspace.strip() or not (is_local or workspace.startswith("s3://")):
        value = workspace.strip() or "empty"
        raise UsageError(f"workspace_directory is {value}: set it to a folder, or to s3://bucket/prefix")
    if is_local:
        tempfile.tempdir = found
    if not config.has_option("core", "lock_pid_dir"):
        # Anybody can write to luigi's own folder. With a workspace on S3, runs at once do no harm: no file is written.
        lock = ("lock_pid_dir", f"{workspace}/locks".replace("%", "%%")) if is_local else ("no_lock", "true")
        config.set("core", *lock)
    for section, option in itertools.product(config.sections(), PATH_OPTIONS):
        value = config.get(section, option, fallback="")
        if value and "://" not in value:
            folder = DEFAULTS if option == "logging_conf_file" and not (PROJECT / value).exists() else PROJECT
            config.set(section, option, str(folder / value).replace("%", "%%"))
    for section in [each for each in config.sections() if config.has_option(each, "lookups")]:
        # The values of a dictionary in JSON.
        placed = re.sub(r'(:\s*")(?!/|[^"]*://)', rf"\g<1>{PROJECT}/", config.get(section, "lookups"))
        config.set(section, "lookups", placed.replace("%", "%%"))
    return config


def _require_variables(config: ConfigParser) -> None:
    """Raise a UsageError if a value needs an environment variable that is empty; Slack and the bucket may be absent."""
    sections = [section for section in config.sections() if section != "SlackConfig"]
    for section, option in ((each, name) for each in sections for name in config.options(each)):
        text = config.get(section, option, raw=True)
        empty = [name for name in re.findall(r"\$\{([^}]+)\}", text) if not os.environ.get(name, "-").strip()]
        if empty and text != "${BUCKET_NAME}":
            raise UsageError(f"the variable {empty[0]} is empty, and {option} in [{section}] needs it: set it")


def find_files() -> list[str]:
    """Return the configuration files, of which a later one overrides an earlier one."""
    default, own = (str(folder / "conf" / "param.ini") for folder in (DEFAULTS, PROJECT))
    file = os.environ.get("LUIGI_CONFIG_PATH", own)
    if Path(file).is_file():
        return [default, file] if IS_INSTALLED else [file]
    if IS_INSTALLED and "LUIGI_CONFIG_PATH" not in os.environ:
        return [default]
    raise UsageError(f"there is no configuration file {file}: correct LUIGI_CONFIG_PATH")


def check_names(config: ConfigParser) -> None:
    """Reject sections that are no imported task or part of luigi or gokart, and keys that are not their parameters."""
    import luigi

    # Not those that luigi lists, which gokart.build makes it forget.
    tasks: list[Any] = [luigi.Task]
    for task in tasks:
        tasks += [each for each in task.__subclasses__() if each not in tasks]
    named = {task.get_task_family(): task for task in tasks}
    for section in (each for each in config.sections() if not each.startswith(_SOURCES)):
        if section in ("tree_info", "test_run"):
            raise UsageError(f"the section [{section}] of the configuration would have no effect: use --plan")
        if section not in named:
            raise _make_error(f"the section [{section}]", section, named)
        parameters = named[section].get_param_names(include_significant=True)
        known = {*parameters, *(_CORE if section == "core" else ())}
        for key in config.options(section):
            if key.replace("-", "_") not in known:
                raise _make_error(f"the key {key} in [{section}]", key, known)
    # luigi and gokart read some keys of these two sections without luigi's own check noticing it.
    warnings.filterwarnings("ignore", message=r".*not consumed by the task '(core|retcode)'")


def _make_error(subject: str, name: str, known: Iterable[str]) -> UsageError:
    near = get_close_matches(name, list(known), n=1)
    advice = f": did you mean {near[0]}?" if near else ""
    return UsageError(f"{subject} of the configuration is not known{advice}")
