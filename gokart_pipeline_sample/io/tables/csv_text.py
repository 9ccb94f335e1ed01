"""The text of a CSV file: decompressed, in UTF-8, with a newline at its end and quotes where they may be."""

import codecs
import functools
import io
import re
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.table_files import TableFile

BLOCK_BYTES = 1024 * 1024
_COMPRESSION = {"": None, ".gz": "gzip", ".zst": "zstd"}
_ENDING = re.compile(r"\.(?:[ct]sv|jsonl)(|\.gz|\.zst)$", re.IGNORECASE)
_ENDINGS = ".csv, .tsv or .jsonl, or in .gz or .zst after these"
_MARKS = {  # That of UTF-32 begins with that of UTF-16.
    **dict.fromkeys((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "utf-32"),
    **dict.fromkeys((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "utf-16"),
}
_QUOTE = ord('"')
_buffer = functools.partial(io.BufferedReader, buffer_size=BLOCK_BYTES)


class Dialect(NamedTuple):
    """The encoding of CSV files, the character between two cells, and the one before the decimals of a number."""

    encoding: str = "utf-8"
    delimiter: str = ","
    decimal: str = "."


DEFAULT_DIALECT = Dialect()


def open_csv(file: TableFile, dialect: Dialect) -> io.BufferedReader:
    """Open the text of a CSV file; reading raises a TableError where a quote is not as it must be."""
    return _buffer(_CheckedText(file, dialect))


def get_delimiter(path: str, dialect: Dialect) -> str:
    """Return the character between the cells of a file."""
    usual = "\t" if re.search(r"\.tsv(\.|$)", path.lower()) else ","
    return {",": usual, "tab": "\t", r"\t": "\t"}.get(dialect.delimiter, dialect.delimiter)


def decode(file: TableFile, encoding: str) -> io.BufferedReader:
    """Open a file without its compression, in UTF-8 and without byte order marks."""
    found = _ENDING.search(file.path)
    if not found:
        raise TableError(f"{file.path}: its format is told by its name: let that end in .parquet, {_ENDINGS}")
    plain, compression = file.open(), _COMPRESSION[found[1].lower()]
    if compression:
        plain = _buffer(pa.CompressedInputStream(plain, compression))
    if encoding == "utf-8":
        encoding = next((name for mark, name in _MARKS.items() if plain.peek(4).startswith(mark)), encoding)
    if encoding != "utf-8":
        plain = _buffer(pa.transcoding_input_stream(pa.PythonFile(plain, "r"), encoding, "utf-8"))
    while plain.peek(3).startswith(codecs.BOM_UTF8):
        plain.read(3)
    return plain


class _CheckedText(io.RawIOBase):
    """Passes text on with a newline at its end, and refuses quotes that begin a cell and do not end at its end."""

    def __init__(self, file: TableFile, dialect: Dialect) -> None:
        edges = f"\r\n{get_delimiter(file.path, dialect)}"
        self._file, self._encoding, self._text = file, dialect.encoding, decode(file, dialect.encoding)
        self._is_edge = np.isin(np.arange(256), [*edges.encode(), _QUOTE])
        self._quoted_cell = re.compile(f'"(?:(?<=[{re.escape(edges)}]")((?:[^"]+|"")*"?))?'.encode())
        # The last byte is checked with the next ones; a quote before it may be open.
        self._last, self._is_quoted, self._is_at_end = ord("\n"), False, False
        self._position = self._last_quote = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        view = memoryview(buffer).cast("B")
        content = self._text.read(len(view))
        if not content and not self._is_at_end:
            content, self._is_at_end = b"\n", True
        # Looking for the first quote takes a tenth of the time of anything else.
        if content and (b'"' in content or self._last == _QUOTE):
            self._check(content)
        elif content:
            self._last = content[-1]
        if self._is_at_end and self._is_quoted:
            line = self._find_line(self._last_quote)
            raise TableError(f"{self._file.path}: a quote is not closed, line {line} has the last one: close it")
        self._position += len(content)
        view[: len(content)] = content
        return len(content)

    def _check(self, content: bytes) -> None:
        """Check all quotes as if none were text, and again without those that are."""
        text = np.empty(len(content) + 3, np.uint8)
        text[:3], text[3:] = [*(b'\n"' if self._is_quoted else b"\n\n"), self._last], np.frombuffer(content, np.uint8)
        quotes, wrong = self._find_quotes(text)
        if len(wrong):
            plain = self._quoted_cell.sub(lambda cell: b"'" if cell[1] is None else cell[0], text.tobytes())
            text = np.frombuffer(plain, np.uint8)
            quotes, wrong = self._find_quotes(text)
        if len(wrong):
            line = self._find_line(self._position + int(wrong[0]) - 2)
            advice = "close the quote before it, and write quotes within a cell twice, not with a backslash"
            raise TableError(f"{self._file.path}: line {line}: text follows a closing quote: {advice}")
        self._last, self._last_quote = int(text[-1]), self._position + int(quotes[-1]) - 2 if len(quotes) else 0
        self._is_quoted = (len(quotes) - (self._last == _QUOTE)) % 2 == 1

    def _find_quotes(self, text: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Return the places of all quotes, and of those that have text where a cell has to begin or to end."""
        quotes = np.flatnonzero(text == _QUOTE)
        # After the text comes the quote itself, which passes.
        before, after = text.take(quotes[::2] - 1), text.take(quotes[1::2] + 1, mode="clip")
        is_right = np.ones(len(quotes), dtype=bool)
        is_right[::2], is_right[1::2] = self._is_edge.take(before), self._is_edge.take(after)
        return quotes, quotes[~is_right]

    def _find_line(self, position: int) -> int:
        """Return the number of the line with a byte; to count all lines before an error would cost each reader time."""
        line = 1
        with decode(self._file, self._encoding) as text:
            while position > 0 and (block := text.read(min(position, BLOCK_BYTES))):
                line, position = line + block.count(b"\n"), position - len(block)
        return line
