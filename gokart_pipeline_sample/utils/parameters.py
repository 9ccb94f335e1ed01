"""Parameters of tasks."""

from __future__ import annotations

import copy
import operator
import re
from typing import Any, TypeVar

import gokart
import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.parameter import OptionalParameterMixin

from gokart_pipeline_sample.io.tables.table import open_table

T = TypeVar("T")


class TableParameter(luigi.Parameter[str]):
    """Path or URI of a table; a task's identity depends on its content only, not on its name or modification time."""

    def serialize(self, x: str) -> str:
        """Return the fingerprint of the table, which makes the identity of a task, or raise a TableError."""
        return open_table(x).fingerprint if x else ""


class TaskParameter(gokart.TaskInstanceParameter[gokart.TaskOnKart[T]]):
    """A task whose output is loaded as type ``T``."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description)


class OptionalTaskParameter(OptionalParameterMixin[Any], gokart.TaskInstanceParameter[Any]):
    """A task, or None, which is the default."""


class ShareParameter(luigi.NumericalParameter[float]):
    """A share, from 0 to 1."""

    def __init__(self, *, default: float, description: str, significant: bool = True) -> None:
        bounds: dict[str, Any] = {"min_value": 0.0, "max_value": 1.0, "right_op": operator.le}
        super().__init__(default, var_type=float, description=description, significant=significant, **bounds)


class SchedulerParameter(luigi.Parameter[str]):
    """Address of a Dask scheduler, or nothing."""

    def parse(self, x: str) -> str:
        """Return the address; raise a ValueError if it is not one of Dask's."""
        if x and not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", x):
            raise ValueError(f"the address of a Dask scheduler is {x!r}: give tcp://HOST:PORT or tls://HOST:PORT")
        return x


def borrow(owner: type[luigi.Task], name: str) -> Any:
    """Declare a parameter that a task passes on to the task that owns it; see :func:`share`."""
    return share(getattr(owner, name), owner.get_task_family(), name)


def share(parameter: luigi.Parameter[Any], owner: str, name: str) -> Any:
    """Declare a parameter with the value that is set for its task, or else with the one that another task would have.

    Args:
        parameter: the parameter as the other task has it.
        owner: name of the other task, with its namespace.
        name: name of the parameter in the other task.
    """

    def find(task: str, own_name: str) -> tuple[str, str]:
        return (task, own_name) if _is_set(task, own_name) else (owner, name)

    shared: Any = copy.copy(parameter)
    shared.has_task_value = lambda task, own_name: parameter.has_task_value(*find(task, own_name))
    shared.task_value = lambda task, own_name: parameter.task_value(*find(task, own_name))
    return shared


def _is_set(task: str, name: str) -> bool:
    """Return whether a parameter of a task is set on the command line (``--Task-name``) or in the configuration."""
    command_line = CmdlineParser.get_instance()
    is_given = command_line is not None and bool(getattr(command_line.known_args, f"{task}_{name}", None))
    return is_given or luigi.configuration.get_config().has_option(task, name)
