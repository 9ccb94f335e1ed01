"""Tables that nothing may be published of, by what is wrong with them."""

from __future__ import annotations

import gzip
import io
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

Make = Callable[[pd.DataFrame, Path], Path]
WIDTH = "petal_width"


def _content(name: str, make: Callable[[bytes], bytes]) -> Make:
    """Change the bytes of a CSV file."""

    def write(source: pd.DataFrame, folder: Path) -> Path:
        (folder / name).write_bytes(make(source.to_csv(index=False).encode()))
        return folder / name

    return write


def _cell(value: str, column: str = WIDTH) -> Make:
    """Put a text into a cell of a CSV file."""

    def write(source: pd.DataFrame, folder: Path) -> Path:
        data = source.astype(object)
        data.loc[5, column] = value
        data.to_csv(folder / "table.csv", index=False)
        return folder / "table.csv"

    return write


def _frame(make: Callable[[pd.DataFrame], pd.DataFrame]) -> Make:
    """Change the frame, and write it as Parquet."""

    def write(source: pd.DataFrame, folder: Path) -> Path:
        make(source.copy()).to_parquet(folder / "table.parquet", index=False)
        return folder / "table.parquet"

    return write


def _column(values: Callable[[pd.DataFrame], Any], column: str = WIDTH) -> Make:
    return _frame(lambda data: data.assign(**{column: values(data)}))


def _value(value: object, column: str = WIDTH, rows: int = 1) -> Make:
    """Put a value into the first cells of a column."""

    def change(data: pd.DataFrame) -> pd.DataFrame:
        cells = data[column].astype("float64" if column != "id" else "Int64")
        cells.iloc[:rows] = value
        return data.assign(**{column: cells})

    return _frame(change)


def _parquet(change: Callable[[bytes], bytes], name: str = "table.parquet") -> Make:
    """Change the bytes of a Parquet file."""

    def write(source: pd.DataFrame, folder: Path) -> Path:
        content = io.BytesIO()
        source.to_parquet(content, index=False)
        (folder / name).write_bytes(change(content.getvalue()))
        return folder / name

    return write


def _path(make: Callable[[Path], Any], beside: bool = False) -> Make:
    """Make something that is no file, alone or in a folder with a table."""

    def write(source: pd.DataFrame, folder: Path) -> Path:
        make(folder / "b.csv")
        if beside:
            source.to_csv(folder / "a.csv", index=False)
        return folder if beside else folder / "b.csv"

    return write


def _folder(*parts: Make) -> Make:
    """Make a folder of several tables."""

    def write(source: pd.DataFrame, folder: Path) -> Path:
        for number, make in enumerate(parts):
            place = folder / str(number)
            place.mkdir()
            half = len(source) // len(parts)
            make(source[number * half : (number + 1) * half].reset_index(drop=True), place)
        return folder

    return write


def _good(source: pd.DataFrame, folder: Path) -> Path:
    source.to_csv(folder / "good.csv", index=False)
    return folder / "good.csv"


def _zip(content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("table.csv", content)
    return file.getvalue()


def _bomb(source: pd.DataFrame, folder: Path) -> Path:
    """Write rows that are all alike: a small file, and bad in its last row group."""
    many = pd.concat([source[:1]] * 200_000, ignore_index=True)
    pq.write_table(pa.Table.from_pandas(many, preserve_index=False), folder / "table.parquet", row_group_size=50_000)
    return folder / "table.parquet"


def _quote(content: bytes, *lines: int) -> bytes:
    """Put a quote before the last cell of some lines."""
    rows = content.split(b"\n")
    for line in lines:
        rows[line] = b',"'.join(rows[line].rsplit(b",", 1))
    return b"\n".join(rows)


def _first_line(content: bytes, new: bytes) -> bytes:
    return new + b"\n" + content.partition(b"\n")[2]


BAD_TABLES: dict[str, Make] = {
    # Files
    "not there": lambda _, folder: folder / "no.csv",
    "empty folder": lambda _, folder: folder,
    "empty CSV": _content("table.csv", lambda _: b""),
    "a newline alone": _content("table.csv", lambda _: b"\n"),
    "spaces alone": _content("table.csv", lambda _: b"   \n  \n"),
    "empty Parquet": _parquet(lambda _: b""),
    "text as Parquet": _content("table.parquet", lambda content: content),
    "Parquet as CSV": _parquet(lambda content: content, "table.csv"),
    "magic of Parquet alone": _parquet(lambda _: b"PAR1PAR1"),
    "Parquet that was cut off": _parquet(lambda content: content[:-20]),
    "Parquet without its beginning": _parquet(lambda content: content[40:]),
    "Parquet with zeros in its footer": _parquet(lambda content: content[:-60] + bytes(40) + content[-20:]),
    "Parquet with zeros in its data": _parquet(lambda content: content[:100] + bytes(600) + content[700:]),
    "plain CSV as gzip": _content("table.csv.gz", lambda content: content),
    "gzip that was cut off": _content("table.csv.gz", lambda content: gzip.compress(content)[:-30]),
    "gzip as zstd": _content("table.csv.zst", gzip.compress),
    "gzip as plain CSV": _content("table.csv", gzip.compress),
    "an archive as CSV": _content("table.csv", _zip),
    "another format": _content("table.xlsx", lambda content: content),
    "no ending": _content("table", lambda content: content),
    "a FIFO": _path(os.mkfifo),
    "a FIFO in a folder": _path(os.mkfifo, beside=True),
    "a device": lambda *_: Path("/dev/zero"),
    "a link to a device": _path(lambda path: path.symlink_to("/dev/zero")),
    "a link to a device in a folder": _path(lambda path: path.symlink_to("/dev/zero"), beside=True),
    "a link to nothing": _path(lambda path: path.symlink_to("/not/there")),
    "a link to itself": _path(lambda path: path.symlink_to(path)),
    "a loop of links": _path(lambda path: path.symlink_to(path.parent), beside=True),
    "a folder named as a file": _path(Path.mkdir),
    # The text of a CSV file
    "no header": _content("table.csv", lambda content: content.partition(b"\n")[2]),
    "header of numbers": _content("table.csv", lambda content: _first_line(content, b"0,1,2,3,4,5")),
    "header in capitals": _content("table.csv", lambda content: content.replace(b"petal", b"PETAL", 1)),
    "header with spaces": _content("table.csv", lambda content: content.replace(b",", b", ", 1)),
    "a column twice": _content("table.csv", lambda content: content.replace(b"sepal_length", b"petal_width", 1)),
    "semicolons": _content("table.csv", lambda content: content.replace(b",", b";")),
    "tabs": _content("table.csv", lambda content: content.replace(b",", b"\t")),
    "decimal commas": _content("table.csv", lambda content: content.replace(b".", b",")),
    "a row too short": _content("table.csv", lambda content: content + b"9999,1.0\n"),
    "a row too long": _content("table.csv", lambda content: content + b"9999,1.0,1.0,1.0,1.0,1.0,1.0,1.0\n"),
    "cut off within a row": _content("table.csv", lambda content: content[: content.rfind(b",")]),
    "a quote that is not closed": _content("table.csv", lambda content: content + b'9999,"1.0,1.0,1.0,1.0,1\n'),
    "a quote in the middle": _content("table.csv", lambda content: content.replace(b"\n", b'\n"', 5)),
    "two quotes that are not closed": _content("table.csv", lambda content: _quote(content, 2, 7)),
    "text after a closing quote": _content("table.csv", lambda content: content.replace(b"\n", b',"a" b\n')),
    "quotes with backslashes": _content("table.csv", lambda content: content.replace(b"\n", b',"a\\"b\\""\n')),
    "UTF-16 without its mark": _content("table.csv", lambda content: content.decode().encode("utf-16-le")),
    "UTF-32 without its mark": _content("table.csv", lambda content: content.decode().encode("utf-32-be")),
    "a name of full width": _content("table.csv", lambda content: content.replace(b"id", "\uff49\uff44".encode(), 1)),
    "gzip within gzip": _content("table.csv.gz", lambda content: gzip.compress(gzip.compress(content))),
    "a web page": _content("table.csv", lambda _: b"<!DOCTYPE html><html></html>"),
    "JSON": _content("table.csv", lambda _: b'[{"id": 1}]'),
    "a header longer than a block": _content("table.csv", lambda content: b"x," * 2**20 + content),
    "NUL bytes": _content("table.csv", lambda content: content.replace(b".", b"\0", 20)),
    "bytes that are no UTF-8": _content("table.csv", lambda content: content.replace(b".", b"\xff", 20)),
    "carriage returns alone": _content("table.csv", lambda content: content.replace(b"\n", b"\r")),
    "a cell of 3 MB": _cell("9" * 3_000_000),
    "the header again": _content("table.csv", lambda content: content + content.partition(b"\n")[0] + b"\n"),
    # The cells of a CSV file
    **{
        f"a cell of {cell!r}": _cell(cell)
        for cell in (
            *("x", "1.0 cm", "1,5", "1 000", "1_000", "0x1A", "1e999", "-1e999", "inf", "-inf", "Infinity", "", "NA"),
            *("NaN", "null", "NULL", "None", "N/A", "-", "?", "#DIV/0!", "=1+1", "1.0.0", "--1", "１．０", "𝟙", "true"),
            *("2026-01-01", "0", "-1", "-0.0", "1e-999", '"', " ", "\u200b1", "1\u00a0"),
        )
    },
    **{f"an id of {cell!r}": _cell(cell, "id") for cell in ("", "x", "1.5", "1e3", "0x1A", "9" * 30, "NA", " ")},
    # The columns of a Parquet file
    **{
        f"no column {column}": _frame(lambda data, column=column: data.drop(columns=column))
        for column in ("id", "sepal_length", WIDTH)
    },
    "no columns": _frame(lambda data: data[[]]),
    "text for numbers": _column(lambda data: data[WIDTH].astype(str)),
    "bytes for numbers": _column(lambda data: [b"1"] * len(data)),
    "dates for numbers": _column(lambda data: pd.date_range("2026-01-01", periods=len(data))),
    "truth for numbers": _column(lambda data: data[WIDTH] > 1),
    "lists for numbers": _column(lambda data: [[1.0]] * len(data)),
    "records for numbers": _column(lambda data: [{"a": 1.0}] * len(data)),
    "categories for numbers": _column(lambda data: data[WIDTH].astype(str).astype("category")),
    "fractions for ids": _column(lambda data: data["id"] + 0.5, "id"),
    "floats that do not tell ids apart": _column(lambda data: data["id"] + 2.0**53, "id"),
    "text for ids": _column(lambda data: data["id"].astype(str), "id"),
    "ids without a value": _value(None, "id"),
    "ids that are all the same": _column(lambda _: 1, "id"),
    "two ids that are the same": _frame(lambda data: pd.concat([data, data[:1]])),
    "two ids that are the same, far apart": _folder(_good, _good, lambda data, place: _good(data.assign(id=3), place)),
    "rows that are all alike": _bomb,
    "no value": _value(np.nan),
    "no values at all": _column(lambda _: np.nan),
    "infinity": _value(np.inf),
    "negative infinity": _value(-np.inf),
    "zero": _value(0.0),
    "negative": _value(-1e-300),
    "all negative": _column(lambda data: -data[WIDTH]),
    "a feature that overflows": _frame(lambda data: data.assign(petal_length=1e200, petal_width=1e200)),
    "an area that becomes zero": _frame(lambda data: data.assign(petal_length=1e-200, petal_width=1e-200)),
    # Folders
    "a bad file among good ones": _folder(_good, _good, _cell("x")),
    "a file without a column among good ones": _folder(_good, _frame(lambda data: data.drop(columns=WIDTH))),
    "a damaged file among good ones": _folder(_good, _parquet(lambda content: content[:-20])),
    "another format among good ones": _folder(_good, _content("readme.txt", lambda content: content)),
}
