"""Parameters of tasks."""

from __future__ import annotations

import copy
import itertools
import operator
import re
from typing import Any, TypeVar

import gokart
import luigi
from luigi.parameter import _no_value

from gokart_pipeline_sample.io.tables.table import open_table

T = TypeVar("T")


class TableParameter(luigi.Parameter[str]):
    """Path or URI of a table; a task's identity depends on its content only, not on its name or modification time."""

    def serialize(self, x: str) -> str:
        """Return the fingerprint of the table, from which luigi and gokart derive a task's identity.

        Raises:
            TableError: there is no such table.
        """
        return open_table(x).fingerprint if x else ""


class TaskParameter(gokart.TaskInstanceParameter[gokart.TaskOnKart[T]]):
    """A task whose output is loaded as type ``T``."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description)


class OptionalTaskParameter(gokart.TaskInstanceParameter[Any]):
    """A task, or None, which is the default."""

    def __init__(self, *, description: str, significant: bool = True) -> None:
        super().__init__(default=None, description=description, significant=significant)

    def parse(self, x: Any) -> Any:
        """Return the task, or None for an empty text."""
        return super().parse(x) if x else None  # type: ignore[no-untyped-call]

    def serialize(self, x: gokart.TaskOnKart[Any] | None) -> Any:
        """Return gokart's text of the task, or an empty text for None."""
        return super().serialize(x) if x else ""  # type: ignore[no-untyped-call]

    def _warn_on_wrong_param_type(self, param_name: str, param_value: object) -> None:
        if param_value is not None:
            super()._warn_on_wrong_param_type(param_name, param_value)  # type: ignore[no-untyped-call]


class ShareParameter(luigi.NumericalParameter[float]):
    """A share, from 0 to 1."""

    def __init__(self, *, default: float, description: str, significant: bool = True) -> None:
        super().__init__(
            default,
            var_type=float,
            min_value=0.0,
            max_value=1.0,
            right_op=operator.le,
            description=description,
            significant=significant,
        )


class SchedulerParameter(luigi.Parameter[str]):
    """Address of a Dask scheduler, or nothing."""

    def parse(self, x: str) -> str:
        """Return the address.

        Raises:
            ValueError: it is none.
        """
        if x and not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", x):
            raise ValueError(f"the address of a Dask scheduler is {x!r}: give tcp://HOST:PORT or tls://HOST:PORT")
        return x


def borrow(owner: type[luigi.Task], name: str) -> Any:
    """Declare a parameter that a task passes on to the task that owns it.

    Its value is the one set for the borrower in the configuration or on the command line; if there is none, it is the
    value that the owner would have.

    Args:
        owner: the task that declares the parameter.
        name: name of the parameter.

    Returns:
        The parameter, for the class body of the borrower.
    """
    return share(getattr(owner, name), owner.get_task_family(), name)


def share(parameter: luigi.Parameter[Any], owner: str, name: str) -> Any:
    """Declare a parameter whose value is the one set for the task, or else the one that another task has.

    Args:
        parameter: the parameter as the other task has it.
        owner: name of the other task, with its namespace.
        name: name of the parameter.

    Returns:
        The parameter, for a class body.
    """
    shared: Any = copy.copy(parameter)
    shared._default = _no_value
    values = shared._value_iterator
    shared._value_iterator = lambda task_name, parameter_name: itertools.chain(
        values(task_name, parameter_name), parameter._value_iterator(owner, name)
    )
    return shared
