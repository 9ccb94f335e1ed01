"""Why a file is not the table that it should be, and what to do; nobody asks before an error."""

import contextlib
import csv
import itertools
import re
import tomllib
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from gokart_pipeline_sample.io.tables.csv_text import BLOCK_BYTES, Dialect, decode, get_delimiter
from gokart_pipeline_sample.io.tables.table_files import TableFile, find_keys

_KINDS: dict[str, str] = tomllib.loads(Path(__file__).with_name("file_kinds.toml").read_text("utf-8"))
_EXAMINED_LINES, _SHOWN_NAMES = 10_000, 10


def explain(file: TableFile, dialect: Dialect, missing: Sequence[str] = (), found: Sequence[str] = ()) -> str:
    """Return a clause on why a file cannot be read, or lacks columns and has others, and what to do; or nothing."""
    with contextlib.suppress(pa.ArrowException, OSError, LookupError, ValueError):
        return next((f"; {reason}" for reason in _find_reasons(file, dialect, missing, found)), "")
    return ""


def _find_reasons(file: TableFile, dialect: Dialect, missing: Sequence[str], found: Sequence[str]) -> Iterator[str]:
    with file.open() as content:
        start = content.read(BLOCK_BYTES).lstrip(b"\xef\xbb\xbf\r\n ")
    kind = next((_KINDS[mark] for mark in _KINDS if start.startswith(mark.encode("latin-1"))), "")
    suffix = Path(file.path).suffix.lower()
    if not start:
        yield "it is empty: write it again"
    if not kind and suffix not in (".csv", ".tsv"):
        yield "it is neither Parquet nor compressed: let its name end in .csv"
    if kind and not kind.endswith(suffix):
        yield kind
    if suffix != ".parquet":
        with decode(file, dialect.encoding) as text:
            lines = iter(lambda: text.readline(BLOCK_BYTES), b"")
            header = next(filter(bytes.strip, lines), b"")
            others = itertools.islice((line for line in lines if not line.isascii()), _EXAMINED_LINES)
            encoding = guess_encoding(header + b"".join(others))
        if len(header) == BLOCK_BYTES:
            yield f"its first line has more than {BLOCK_BYTES:,} bytes: shorten it, or use Parquet"
        if encoding != "utf-8":
            yield f"{encoding} reads it, and UTF-8 does not: set encoding={encoding} beside table"
        names = {each: {*next(csv.reader([header.decode(encoding)], delimiter=each), [])} for each in ",;\t|"}
        best = max(names, key=lambda each: (len(names[each] & {*missing}), len(names[each])))
        if not names[best].isdisjoint(missing) and best != get_delimiter(file.path, dialect):
            shown = "tab" if best == "\t" else best
            yield f"its cells are separated by {shown}: set delimiter={shown} beside table"
    if not missing:
        return
    if above := [name for name in missing if name in find_keys(Path(file.path).parts)]:
        yield f"{', '.join(above)} is in the path alone: give the folder above as table"
    near = [f"{each!a} for {name!a}" for name in missing for each in found if _simplify(each) == _simplify(name)]
    if len(near) > len(missing) / 2:  # Another table may have an ID, too.
        yield f"it has {', '.join(near)}: rename columns of the file, or give the fields of the schema an alias"
    yield f"it has {found[:_SHOWN_NAMES]!a}: give another table, adopt this one (--new-table), or correct the schema"


def guess_encoding(text: bytes) -> str:
    """Return the name of an encoding that reads a text, in which all lines that are ASCII may be missing."""
    # Western letters that are not ASCII stand alone or in pairs, and those of Japan in long runs.
    long, high = (len(b"".join(re.findall(pattern, text))) for pattern in (rb"[\x80-\xff]{3,}", rb"[\x80-\xff]"))
    for encoding in ("utf-8", "cp1252" if 2 * long < high else "cp932"):
        with contextlib.suppress(UnicodeError):
            text.decode(encoding)
            return encoding
    return "latin-1"


def _simplify(name: str) -> str:
    """Return a name without what is easily overlooked: case, spaces, marks and the form of its characters."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", name).casefold())) or name
