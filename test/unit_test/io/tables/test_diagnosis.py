from __future__ import annotations

import gzip
import io
import json
import unicodedata
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.orc
import pyarrow.parquet as pq
import pytest

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.csv_text import BLOCK_BYTES, Dialect
from gokart_pipeline_sample.io.tables.table import Table

TEXT = "id,region,width\n1,a,0.5\n2,b,1.5\n"
SCHEMA = pa.schema([("id", pa.int64()), ("region", pa.string()), ("width", pa.float64())])
JAPANESE = pa.schema([("番号", pa.int64()), ("地域", pa.string())])
JAPANESE_TEXT = "番号,地域\n1,東京\n2,表参道のカフェ\n"


def write_arrow(writer: Callable[[pa.Table, io.BytesIO], object]) -> bytes:
    content = io.BytesIO()
    writer(pa.table({"id": [1]}), content)
    return content.getvalue()


def make_zip() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    return content.getvalue()


def read_error(path: Path, schema: pa.Schema = SCHEMA, dialect: Dialect | None = None) -> str:
    with pytest.raises(TableError) as caught:
        Table(str(path), dialect or Dialect()).read(schema)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    return message


class TestKind:
    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            pytest.param("a.csv", b"", "it is empty: write it again", id="nothing"),
            pytest.param("a.csv", b" \n\n", "it is empty: write it again", id="blank lines"),
            pytest.param("a.parquet", b"", "it is empty: write it again", id="empty Parquet"),
            pytest.param("a.csv", gzip.compress(TEXT.encode()), "let its name end in .csv.gz", id="gzip"),
            pytest.param("a.csv", pa.compress(TEXT.encode(), "zstd", asbytes=True), "end in .csv.zst", id="zstd"),
            pytest.param("a.csv.zst", gzip.compress(TEXT.encode()), "let its name end in .csv.gz", id="gzip as zstd"),
            pytest.param("a.csv.gz", TEXT.encode(), "it is neither Parquet nor compressed: let", id="text as gzip"),
            pytest.param("a.csv", make_zip(), "is an Excel workbook or a ZIP archive: save its sheet", id="xlsx"),
            pytest.param("a.csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99), "is an Excel workbook", id="xls"),
            pytest.param("a.csv", json.dumps([{"id": 1}]).encode(), "is JSON: write an object on each line", id="JSON"),
            pytest.param("a.csv", b'\xef\xbb\xbf\n {"id": 1}\n{"id": 2}\n', "is JSON", id="JSON lines after a mark"),
            pytest.param("a.tsv", b"<?xml version='1.0'?><Error><Code>AccessDenied", "is HTML or XML", id="XML"),
            pytest.param(
                "a.csv", write_arrow(pq.write_table), "is Parquet: let its name end in .parquet", id="Parquet"
            ),
            pytest.param("a.parquet", TEXT.encode(), "it is neither Parquet nor compressed: let", id="text as Parquet"),
            pytest.param("a.parquet", make_zip(), "is an Excel workbook or a ZIP", id="xlsx as Parquet"),
            pytest.param("a.parquet", b"<html>", "is HTML or XML", id="HTML as Parquet"),
            pytest.param("a.csv", b"<!DOCTYPE html><html>", "is HTML or XML: download", id="HTML"),
            pytest.param("a.csv", b"x," * BLOCK_BYTES + b"\n", "its first line has more than 1,048,576", id="header"),
        ],
    )
    def test_is_named(self, tmp_path: Path, name: str, content: bytes, message: str) -> None:
        (tmp_path / name).write_bytes(content)
        assert message in read_error(tmp_path / name)

    def test_is_named_if_the_table_is_adopted(self, tmp_path: Path) -> None:
        (tmp_path / "a.parquet").write_text(TEXT)
        with pytest.raises(TableError, match="it is neither Parquet nor compressed"):
            list(Table(str(tmp_path)).read_files())

    def test_is_named_if_all_columns_are_in_the_first_block_of_the_header(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("id,region,width" + ",x" * BLOCK_BYTES + "\n")
        assert "its first line has more than 1,048,576 bytes" in read_error(tmp_path / "a.csv")


class TestEncoding:
    @pytest.mark.parametrize("encoding", ["cp932"])
    @pytest.mark.parametrize("name", ["a.csv", "a.csv.gz"])
    def test_of_a_header_is_named(self, tmp_path: Path, encoding: str, name: str) -> None:
        with pa.output_stream(tmp_path / name, compression="detect") as file:
            file.write(JAPANESE_TEXT.encode(encoding))
        message = f"{encoding} reads it, and UTF-8 does not: set encoding={encoding} beside table"
        assert message in read_error(tmp_path / name, JAPANESE)
        data = Table(str(tmp_path / name), Dialect(encoding)).read(JAPANESE)
        assert data["地域"].tolist() == ["東京", "表参道のカフェ"]

    @pytest.mark.parametrize(
        ("encoding", "cell"),
        [
            ("cp932", "大阪府"),
            ("cp932", "ｶﾌﾞｼｷｶﾞｲｼｬ 東京都千代田区"),
            ("cp1252", "Méridional"),
            ("cp1252", "Größe 5 €"),
            ("cp1252", "“Año” señor"),
            ("latin-1", "caf\xe9 \xe8\xe9\xe0 \x81"),
        ],
    )
    def test_of_a_column_is_named(self, tmp_path: Path, encoding: str, cell: str) -> None:
        lines = [f"{row},a,0.5" for row in range(300_000)]
        (tmp_path / "a.csv").write_bytes("\n".join(["id,region,width", *lines, f"7,{cell},1.5"]).encode(encoding))
        error = read_error(tmp_path / "a.csv")
        assert "it cannot be read: " in error
        assert error.endswith(f"; {encoding} reads it, and UTF-8 does not: set encoding={encoding} beside table")

    def test_that_is_given_is_not_doubted(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("id,地域,width\n1,東京,0.5\n", encoding="cp932")
        assert "it has ['id', " in read_error(tmp_path / "a.csv", dialect=Dialect("cp932"))


class TestNames:
    @pytest.mark.parametrize(
        ("header", "message"),
        [
            ("ID,region,width", "it has 'ID' for 'id': rename columns of the file"),
            ("id, region, width", "it has ' region' for 'region', ' width' for 'width'"),
            ("id,region,width ", "it has 'width ' for 'width'"),
            ("id,re gion,width", "it has 're gion' for 'region'"),
            ("id,region,wi_dth", "it has 'wi_dth' for 'width'"),
            ("id,region,\uff57\uff49\uff44\uff54\uff48", r"it has '\uff57\uff49\uff44\uff54\uff48' for 'width'"),
            ("id,region\u200b,width", r"it has 'region\u200b' for 'region'"),
            ("id,region\u00a0,width", r"it has 'region\xa0' for 'region'"),
            (
                "a,b,c",
                "it has ['a', 'b', 'c']: give another table, adopt this one (--new-table), or correct the schema",
            ),
            ("ID,price,kind", "it has ['ID', 'price', 'kind']: give another table, adopt this one (--new-table), or"),
            ("no;price;kind", "it has ['no;price;kind']: give another table, adopt this one (--new-table), or"),
            ("Id, Region,w", "it has 'Id' for 'id', ' Region' for 'region': rename columns of the file"),
            ("1,a,0.5", "it has ['1', 'a', '0.5']: give another table"),
            (",".join("abcdefghijkl"), f"it has {[*'abcdefghij']}: give another table"),
        ],
    )
    def test_that_are_near_are_shown_escaped(self, tmp_path: Path, header: str, message: str) -> None:
        (tmp_path / "a.csv").write_text(f"{header}\n1,a,0.5\n")
        assert f"; {message}" in read_error(tmp_path / "a.csv")

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_are_compared_whatever_their_form(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / f"a.{kind}"
        found = unicodedata.normalize("NFD", "ガス")
        pq.write_table(pa.table({found: [1]}), path) if kind == "parquet" else path.write_text(f"{found}\n1\n")
        assert r"it has '\u30ab\u3099\u30b9' for '\u30ac\u30b9'" in read_error(path, pa.schema([("ガス", pa.int64())]))


class TestDelimiter:
    @pytest.mark.parametrize(
        ("name", "delimiter", "used", "shown"),
        [
            ("a.csv", ";", ",", ";"),
            ("a.csv", "\t", ",", "tab"),
            ("a.csv", "|", ",", "|"),
            ("a.csv.gz", ";", ",", ";"),
            ("a.tsv", ",", ",", ","),
            ("a.csv", ",", ";", ","),
        ],
    )
    def test_that_is_another_is_named(self, tmp_path: Path, name: str, delimiter: str, used: str, shown: str) -> None:
        with pa.output_stream(tmp_path / name, compression="detect") as file:
            file.write(TEXT.replace(",", delimiter).encode())
        error = read_error(tmp_path / name, dialect=Dialect(delimiter=used))
        assert error.endswith(f"; its cells are separated by {shown}: set delimiter={shown} beside table")

    def test_is_told_by_the_columns_that_are_missing(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text('id;region;"width, cm; of, the, leaf";x,y,z\n')
        schema = pa.schema([("id", pa.int64()), ("width, cm; of, the, leaf", pa.float64())])
        assert "set delimiter=; beside table" in read_error(tmp_path / "a.csv", schema)
