from __future__ import annotations

import codecs
import gzip
import io
import itertools
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.csv_text import BLOCK_BYTES, Dialect, open_csv
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.io.tables.table_files import LocalFile

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string())])


def read(path: Path, dialect: Dialect | None = None) -> pd.DataFrame:
    return Table(str(path), dialect or Dialect()).read(SCHEMA)


class Text(LocalFile):
    def open(self) -> io.BufferedReader:
        return io.BufferedReader(io.BytesIO(self.digest.encode()))


def pass_through(text: str, size: int) -> bytes:
    """Read a text in pieces of a number of bytes, each of which is checked on its own."""
    with open_csv(Text("table.csv", text, (0, 0)), Dialect()) as checked:
        return b"".join(iter(lambda: checked.raw.read(size) or b"", b""))


def is_right(text: str) -> bool:
    """Tell whether the quotes of a text are as RFC 4180 has them; one within a cell without quotes is text."""
    state = "start"
    for character in f"{text}\n":
        is_edge = character in ",\n"
        if state in ("start", "plain"):
            state = "quoted" if state == "start" and character == '"' else "start" if is_edge else "plain"
        elif state == "quoted":
            state = "closing" if character == '"' else "quoted"
        elif character != '"' and not is_edge:
            return False
        else:
            state = "start" if is_edge else "quoted"
    return state != "quoted"


class TestQuotes:
    @pytest.mark.parametrize("size", [1, 2, 3, 100])
    def test_are_checked_alike_wherever_a_block_ends(self, size: int) -> None:
        for length in range(7):
            for characters in itertools.product('",a\n', repeat=length):
                text = "".join(characters)
                if is_right(text):
                    assert pass_through(text, size) == f"{text}\n".encode()
                else:
                    with pytest.raises(TableError, match="quote"):
                        pass_through(text, size)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            pytest.param(['4,"wide', "5,a", "6,b", '8,"tall', "9,c"], "line 5: text follows", id="two stray quotes"),
            pytest.param(['1,"k\\"25\\""'], "line 2: text .* twice, not with a backslash", id="backslashes"),
            pytest.param(['1,"a" b'], "line 2: text follows a closing quote", id="text after a closing quote"),
            pytest.param(['1,"a" "b"'], "line 2: text follows", id="two quoted words"),
            pytest.param(["1,a", '2,"a" '], "line 3: text follows", id="a space after a closing quote"),
            pytest.param(["1,a", '2,""b""'], "line 3: text follows", id="quotes twice without quotes around them"),
            pytest.param(['1,5" pipe', '2,"a"b'], "line 3: text follows", id="after a quote that is text"),
            pytest.param(["1,a", '2,"b', "3,c"], "a quote is not closed, line 3 has the last", id="not closed"),
            pytest.param(["1,a", '2,"b""', "3,c"], "a quote is not closed, line 3 has", id="closed by half of a quote"),
        ],
    )
    @pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=repr)
    @pytest.mark.parametrize("name", ["note", "name"])
    def test_that_are_wrong_are_named(
        self, tmp_path: Path, lines: list[str], message: str, newline: str, name: str
    ) -> None:
        path = tmp_path / "table.csv"
        path.write_bytes(newline.join([f"id,{name}", *lines, ""]).encode())
        with pytest.raises(TableError, match=f"table.csv: {message}"):
            Table(str(path)).read(SCHEMA.remove(1) if name == "note" else SCHEMA)

    @pytest.mark.parametrize(
        ("cell", "value"),
        [
            ('5" pipe', '5" pipe'),
            ('5"', '5"'),
            ('a "b" c', 'a "b" c'),
            ('5""', '5""'),
            (' "a"', ' "a"'),
            ("'a\"", "'a\""),
            ('\\"a\\"', '\\"a\\"'),
            ('"5"" pipe"', '5" pipe'),
            ('""""', '"'),
            ('"""a"""', '"a"'),
            ('"C:\\"', "C:\\"),
            ('"a,\nb"', "a,\nb"),
        ],
    )
    def test_that_are_text_are_read(self, tmp_path: Path, cell: str, value: str) -> None:
        path = tmp_path / "table.csv"
        path.write_text(f'id,name\n1,a\n2,{cell}\n3,"b"\n4,{cell}\n')
        assert read(path)["name"].tolist() == ["a", value, "b", value]

    def test_are_counted_over_blocks(self, tmp_path: Path) -> None:
        path = tmp_path / "table.csv.gz"
        rows = BLOCK_BYTES // 10
        lines = [f'{row},"a\n{row}"\n' for row in range(rows)]
        lines[-5] = f'{rows - 5},"a"b\n'
        path.write_bytes(gzip.compress(("id,name\n" + "".join(lines)).encode()))
        with pytest.raises(TableError, match=f"line {2 * (rows - 5) + 2}: text follows"):
            read(path)


class TestEncoding:
    @pytest.mark.parametrize(
        "encoding",
        ["utf-8", "utf-8-sig", "cp932", "euc_jp", "iso2022_jp", "utf-16", "utf-16-le", "utf-32", "gb18030"],
    )
    @pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst", "tsv"])
    def test_is_read_when_it_is_given(self, tmp_path: Path, encoding: str, ending: str) -> None:
        path = tmp_path / f"table.{ending}"
        schema = pa.schema([("番号", pa.int64()), ("地域", pa.string())])
        text = '番号,地域\n1,東京\n2,"大阪, 表"\n'
        with pa.output_stream(path, compression="detect") as file:
            file.write((text.replace(",", "\t") if ending == "tsv" else text).encode(encoding))
        data = Table(str(path), Dialect(encoding)).read(schema)
        assert data["地域"].tolist() == ["東京", "大阪, 表".replace(",", "\t" if ending == "tsv" else ",")]

    @pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be", "utf-8"])
    @pytest.mark.parametrize("ending", ["csv", "csv.gz"])
    def test_is_known_by_a_mark(self, tmp_path: Path, encoding: str, ending: str) -> None:
        with pa.output_stream(tmp_path / f"table.{ending}", compression="detect") as file:
            file.write('\ufeff"id","name"\n1,"é\n"\n'.encode(encoding))
        assert read(tmp_path / f"table.{ending}")["name"].tolist() == ["é\n"]

    def test_passes_a_second_mark_over(self, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_bytes(codecs.BOM_UTF8 * 2 + b"id,name\n1,a\n")
        assert read(tmp_path / "table.csv")["name"].tolist() == ["a"]

    @pytest.mark.parametrize("encoding", ["cp9320", "windows-31j", ""])
    def test_that_is_none_is_named(self, tmp_path: Path, encoding: str) -> None:
        (tmp_path / "table.csv").write_text("id,name\n1,a\n")
        with pytest.raises(TableError, match=f"table.csv: it cannot be read: .*encoding.*{encoding}"):
            read(tmp_path / "table.csv", Dialect(encoding))

    def test_that_does_not_fit_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_bytes("id,name\n1,é\n".encode("cp1252"))
        with pytest.raises(TableError, match=r"table\.csv: it cannot be read: .*(shift|cp932|multibyte)"):
            read(tmp_path / "table.csv", Dialect("cp932"))


class TestDelimiter:
    @pytest.mark.parametrize("given", [";", "\t", "|", "^", "]", "-", ":", " ", "\x01", "tab", r"\t"])
    def test_is_read_when_it_is_given(self, tmp_path: Path, given: str) -> None:
        delimiter = "\t" if len(given) > 1 else given
        (tmp_path / "table.csv").write_text(f'"id"{delimiter}name\n1{delimiter}"a{delimiter}b,"\n')
        assert read(tmp_path / "table.csv", Dialect(delimiter=given))["name"].tolist() == [f"a{delimiter}b,"]

    @pytest.mark.parametrize(("name", "delimiter"), [("a.tsv", ","), ("a.TSV", ","), ("a.tsv", "\t"), ("a.tsv", ";")])
    def test_is_a_tab_in_a_tsv_file_unless_another_is_given(self, tmp_path: Path, name: str, delimiter: str) -> None:
        written = "\t" if delimiter == "," else delimiter
        (tmp_path / name).write_text(f"id{written}name\n1{written}a,b\n")
        assert read(tmp_path / name, Dialect(delimiter=delimiter))["name"].tolist() == ["a,b"]

    @pytest.mark.parametrize("delimiter", [";;", "", "、"])
    def test_that_is_none_is_named(self, tmp_path: Path, delimiter: str) -> None:
        (tmp_path / "table.csv").write_text("id,name\n1,a\n")
        with pytest.raises(TableError, match=r"table\.csv: it cannot be read: .*character"):
            read(tmp_path / "table.csv", Dialect(delimiter=delimiter))


class TestDecimal:
    @pytest.mark.parametrize(
        ("cell", "value"),
        [("1,5", 1.5), ("-0,25", -0.25), ("1,5e3", 1500.0), ("7", 7.0), (" 1,5 ", 1.5), ("", None)]
        + [(cell, cell) for cell in ("1.5", "1.234,5", "1,2,3", "1 234,5", "x,y")],
    )
    def test_may_be_a_comma(self, tmp_path: Path, cell: str, value: object) -> None:
        path = tmp_path / "table.csv"
        path.write_text(f"id;width\n1;{cell}\n2;0,5\n")
        schema = pa.schema([("id", pa.int64()), ("width", pa.float64())])
        data = Table(str(path), Dialect(delimiter=";", decimal=",")).read(schema)
        assert data["width"].astype(object).where(data["width"].notna(), None).tolist() == [value, 0.5]
