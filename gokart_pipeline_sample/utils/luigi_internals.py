"""The private names of luigi that this project uses; the test of this module fails if luigi changes them."""

import contextlib
from collections.abc import Iterator

from luigi.setup_logging import InterfaceLogging
from luigi.task_register import Register


@contextlib.contextmanager
def restoring_luigi() -> Iterator[None]:
    """Leave logging, which luigi sets up once, to the program, and restore its tasks; ``gokart.build`` forgets them."""
    tasks, is_set_up = Register._reg, InterfaceLogging._configured
    InterfaceLogging._configured = True
    try:
        yield
    finally:
        Register._reg, InterfaceLogging._configured = tasks, is_set_up
