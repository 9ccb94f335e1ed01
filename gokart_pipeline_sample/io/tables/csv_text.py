"""The text of a CSV file: decompressed, in UTF-8, with a newline at its end and quotes where they may be."""

from __future__ import annotations

import codecs
import functools
import io
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.dialect import Dialect
from gokart_pipeline_sample.io.tables.table_files import TableFile

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK_BYTES = 1024 * 1024
_COMPRESSION = {"": None, ".gz": "gzip", ".zst": "zstd"}
ENDINGS = {f".{kind}{ending}": ending for kind in ("csv", "tsv") for ending in _COMPRESSION}
# That of UTF-32 first: it begins with that of UTF-16.
_MARKS = {
    **dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
}
_QUOTE = ord('"')
_SHOWN_BYTES = 20


def open_csv(file: TableFile, dialect: Dialect) -> io.BufferedReader:
    """Open the text of a CSV file; reading raises a TableError where a quote is not as it must be."""
    return _buffer(_CheckedText(file, dialect))


def get_delimiter(path: str, dialect: Dialect) -> str:
    """Return the character between the cells of a file."""
    is_tsv = _find_ending(path).startswith(".tsv")
    return "\t" if is_tsv and dialect.delimiter == "," else dialect.delimiter


def decode(file: TableFile, encoding: str) -> io.BufferedReader:
    """Open a file without its compression, in UTF-8 and without byte order marks."""
    compression = _COMPRESSION[ENDINGS[_find_ending(file.path)]]
    plain = file.open()
    if compression:
        plain = _buffer(pa.CompressedInputStream(plain, compression))
    if encoding == "utf-8":
        encoding = next((name for mark, name in _MARKS.items() if plain.peek(4).startswith(mark)), encoding)
    if encoding not in ("utf-8", "utf-8-sig"):
        plain = _buffer(pa.transcoding_input_stream(pa.PythonFile(plain, "r"), encoding, "utf-8"))
    while plain.peek(3).startswith(codecs.BOM_UTF8):
        plain.read(3)
    return plain


def _buffer(stream: Any) -> io.BufferedReader:
    return io.BufferedReader(stream, BLOCK_BYTES)


def _find_ending(path: str) -> str:
    for ending in ENDINGS:
        if path.lower().endswith(ending):
            return ending
    raise TableError(
        f"{path}: its format is told by its name: let that end in .parquet, .csv or .tsv, or in .gz or .zst after these"
    )


class _CheckedText(io.RawIOBase):
    """Passes text through, adds a final newline, which pyarrow needs after a header, and checks quotes.

    A quote that begins a cell must be closed at the end of it, and be written twice within. Elsewhere it is text.
    """

    def __init__(self, file: TableFile, dialect: Dialect) -> None:
        self._path, self._open = file.path, functools.partial(decode, file, dialect.encoding)
        self._text = self._open()
        self._edges = f"\r\n{get_delimiter(file.path, dialect)}".encode()
        self._is_edge = np.isin(np.arange(256), [*self._edges, _QUOTE])
        self._is_at_end = False
        # The last byte, which is checked with the next one; where it is, and whether it comes after an open quote.
        self._last, self._position, self._is_quoted = b"\n", -1, False
        self._opened = 0  # where the last cell with quotes begins

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        self._text.close()
        super().close()

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        content = self._text.read(len(view))
        if not content and not self._is_at_end:
            content, self._is_at_end = b"\n", True
        # Looking for the first quote takes a tenth of the time of anything else.
        if b'"' in content or self._last == b'"':
            self._check(self._last + content)
        elif content:
            self._last = content[-1:]
        self._position += len(content)
        if self._is_at_end and self._is_quoted:
            line = self._count_lines(self._opened)
            raise TableError(f"{self._path}: a quote is not closed, that in line {line}: close it, or write it twice")
        view[: len(content)] = content
        return len(content)

    def _check(self, text: bytes) -> None:
        """Check all quotes at once, as if none were text, and one by one only if that fails."""
        codes = np.frombuffer(text, np.uint8)
        quotes = np.flatnonzero(codes == _QUOTE)
        opening, closing = quotes[self._is_quoted :: 2], quotes[not self._is_quoted :: 2]
        before = codes[opening[opening > 0] - 1]
        if not (self._is_edge[before].all() and self._is_edge[codes[closing[closing + 1 < len(codes)] + 1]].all()):
            self._check_each(text)
            return
        begins = opening[opening > 0][before != _QUOTE]
        self._opened = self._position + int(begins[-1]) if len(begins) else self._opened
        self._last = text[-1:]
        self._is_quoted ^= (len(quotes) - (self._last == b'"')) % 2 == 1

    def _check_each(self, text: bytes) -> None:
        at, is_quoted, self._last = -1, self._is_quoted, text[-1:]
        while (at := text.find(b'"', at + 1)) >= 0:
            following = text[at + 1 : at + 2]
            if not is_quoted:
                is_quoted = at == 0 or text[at - 1] in self._edges
                self._opened = self._position + at if is_quoted and at else self._opened
                # One that is text must not be taken for a closing one when the next byte is seen.
                self._last = self._last if is_quoted or following else b"x"
            elif not following:
                break
            elif following == b'"':
                at += 1
            elif following in self._edges:
                is_quoted = False
            else:
                raise self._describe(self._position + at, text[at + 1 :], text[at - 1 : at] == b"\\")
        else:
            # Such a quote is before its cell, and a second one ends nothing.
            is_quoted &= self._last != b'"'
        self._is_quoted = is_quoted

    def _describe(self, end: int, rest: bytes, is_escaped: bool) -> TableError:
        shown = repr(rest.splitlines()[0][:_SHOWN_BYTES].decode(errors="replace"))
        first, last = self._count_lines(self._opened), self._count_lines(end)
        where = f"line {last}" if first == last else f"line {last} (the quote before it is in line {first})"
        advice = f"write quotes in a cell twice, {'not with a backslash' if is_escaped else 'or quote the whole cell'}"
        return TableError(f"{self._path}: {where}: {shown} follows a closing quote: {advice}")

    def _count_lines(self, end: int) -> int:
        """Return the number of the line that a byte is in."""
        newlines = returns = 0
        with self._open() as text:
            while end > 0 and (block := text.read(min(end, BLOCK_BYTES))):
                newlines, returns, end = newlines + block.count(b"\n"), returns + block.count(b"\r"), end - len(block)
        return 1 + max(newlines, returns)
