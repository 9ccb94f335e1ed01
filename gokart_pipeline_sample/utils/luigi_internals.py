"""The private names of luigi that this project uses; the test of this module fails if luigi changes them."""

import contextlib
import inspect
from collections.abc import Iterator

import luigi
from luigi.setup_logging import InterfaceLogging
from luigi.task_register import Register


@contextlib.contextmanager
def restoring_luigi() -> Iterator[None]:
    """Leave logging, which luigi sets up once, to the program, and list its tasks; ``gokart.build`` forgets them."""
    tasks, is_set_up = [*Register._reg, luigi.Task], InterfaceLogging._configured
    for task in tasks:
        tasks += [other for other in task.__subclasses__() if other not in tasks]
    # After a reload, or in a notebook, another task may have the same name now.
    named = {task: getattr(inspect.getmodule(task), task.__qualname__, None) for task in tasks}
    tasks = [task for task in tasks if named[task] is task or (not named[task] and task in Register._reg)]
    Register._reg, InterfaceLogging._configured = tasks, True
    try:
        yield
    finally:
        Register._reg, InterfaceLogging._configured = tasks, is_set_up
