"""How CSV files are written, which nothing in them tells for certain."""

from typing import NamedTuple


class Dialect(NamedTuple):
    """The encoding of CSV files, the character between two cells, and the one before the decimals of a number."""

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."


DEFAULT_DIALECT = Dialect()
