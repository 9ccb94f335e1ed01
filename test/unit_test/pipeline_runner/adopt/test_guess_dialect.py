from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gokart_pipeline_sample.io.tables.csv_text import DEFAULT_DIALECT, Dialect
from gokart_pipeline_sample.io.tables.table_files import list_files
from pipeline_runner.adopt.infer_types import guess_dialect


def guess(content: bytes, folder: Path) -> Dialect:
    (folder / "table.csv").write_bytes(content)
    return guess_dialect(list_files(str(folder)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("id,x\n1,2.5\n", DEFAULT_DIALECT),
        ("id;x\n1;2,5\n2;3\n", Dialect(delimiter=";", decimal=",")),
        ("id;x\n1;2.5\n2;3\n", Dialect(delimiter=";")),
        ("id\tx\n1\t2,5\n", Dialect(delimiter="\t", decimal=",")),
        ("id|x\n1|2\n", Dialect(delimiter="|")),
        ('id,x\n1,"2,5"\n2,"10,25"\n', Dialect(decimal=",")),
        ('id,x\n1,"1,234"\n2,"10,250"\n', DEFAULT_DIALECT),
        ('id;text\n1;"a, b"\n2;"c; d"\n', Dialect(delimiter=";")),
        ('id,text\n1,"a; b"\n2,"c"\n', DEFAULT_DIALECT),
        ("id\n1\n2\n", DEFAULT_DIALECT),
        ("", DEFAULT_DIALECT),
    ],
)
def test_delimiter_and_decimal_are_those_of_the_cells(text: str, expected: Dialect, tmp_path: Path) -> None:
    assert guess(text.encode(), tmp_path) == expected


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("顧客番号,地域\n1,東京\n", "cp932"),
        ("ガス料金,x\nカナ,1\n", "cp932"),
        ("氏名,住所\n齋藤,埼玉県\n", "cp932"),
        ("Straße,Größe\nMüller,1\n", "cp1252"),
        ("naïve – “quoted” résumé,50 €\n", "cp1252"),
        ("顧客番号,地域\n", "utf-8"),
        ("id,x\n1,2\n", "utf-8"),
    ],
)
def test_the_encoding_is_that_of_the_text(text: str, encoding: str, tmp_path: Path) -> None:
    assert guess(text.encode(encoding), tmp_path).encoding == encoding


def test_a_folder_of_parquet_files_has_none(tmp_path: Path) -> None:
    pq.write_table(pa.table({"id": [1]}), tmp_path / "table.parquet")
    assert guess_dialect(list_files(str(tmp_path))) == DEFAULT_DIALECT
