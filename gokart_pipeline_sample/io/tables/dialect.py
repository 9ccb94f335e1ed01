"""How CSV files are written, which nothing in them tells for certain."""

from typing import NamedTuple


class Dialect(NamedTuple):
    """The encoding of CSV files, the character between two cells, and the one before the decimals of a number.

    A file that begins with the byte order mark of UTF-16 or UTF-32 is read as such where the encoding is UTF-8, and a
    ``.tsv`` file has tabs where the delimiter is a comma.
    """

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."


DEFAULT_DIALECT = Dialect()
