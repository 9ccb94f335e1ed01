from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gokart_pipeline_sample.io.file_formats import (
    CsvProcessor,
    JsonProcessor,
    ParquetProcessor,
    PyArrowCsvProcessor,
)
from gokart_pipeline_sample.io.tables.table import Table

DATA = pd.DataFrame(
    {
        "id": [2**53 + 1, -1, 0],
        "width": [0.1 + 0.2, 1e-300, None],
        "name": ['a "b",\nc', "NA", None],
    },
    index=[5, 3, 3],
)
SCHEMA = pa.schema([("id", pa.int64()), ("width", pa.float64()), ("name", pa.string())])


PARTS = {"csv": PyArrowCsvProcessor(), "parquet": ParquetProcessor()}


def serialize_frame(data: pd.DataFrame, file_format: str) -> bytes:
    return PARTS[file_format].serialize(data)


class TestSerializeFrame:
    def test_writes_csv(self) -> None:
        assert serialize_frame(DATA, "csv").decode() == (
            f'id,width,name\n{2**53 + 1},0.30000000000000004,"a ""b"",\nc"\n-1,1e-300,"NA"\n0,,\n'
        )

    def test_quotes_a_name_only_if_it_must(self) -> None:
        assert serialize_frame(pd.DataFrame({"a": [1], "b,c": [2], "größe": [3]}), "csv").decode() == (
            'a,"b,c",größe\n1,2,3\n'
        )

    def test_writes_compressed_parquet_without_the_index(self) -> None:
        content = serialize_frame(DATA, "parquet")
        with pq.ParquetFile(BytesIO(content)) as file:
            assert file.schema_arrow.names == ["id", "width", "name"]
            assert file.metadata.row_group(0).column(0).compression == "ZSTD"
        assert pd.read_parquet(BytesIO(content)).index.equals(pd.RangeIndex(3))

    def test_what_is_written_as_csv_can_be_read(self, tmp_path: Path) -> None:
        (tmp_path / "table.csv").write_bytes(serialize_frame(DATA, "csv"))
        read = Table(str(tmp_path / "table.csv")).read(SCHEMA)
        pd.testing.assert_frame_equal(read, DATA.reset_index(drop=True), check_exact=True)

    def test_what_is_written_as_parquet_can_be_read(self) -> None:
        read = pd.read_parquet(BytesIO(serialize_frame(DATA, "parquet")))
        pd.testing.assert_frame_equal(read, DATA.reset_index(drop=True), check_exact=True)

    def test_writes_the_names_without_rows(self) -> None:
        assert serialize_frame(DATA[:0], "csv") == b"id,width,name\n"
        assert pd.read_parquet(BytesIO(serialize_frame(DATA[:0], "parquet"))).dtypes.equals(DATA.dtypes)

    @pytest.mark.parametrize("file_format", PARTS)
    def test_writes_the_same_bytes_each_time(self, file_format: str) -> None:
        assert serialize_frame(DATA, file_format) == serialize_frame(DATA.copy(), file_format)


class TestCsvProcessor:
    def test_quotes_only_the_cells_that_need_it(self) -> None:
        assert CsvProcessor().serialize(DATA).decode() == (
            f'id,width,name\n{2**53 + 1},0.30000000000000004,"a ""b"",\nc"\n-1,1e-300,NA\n0,,\n'
        )

    @pytest.mark.parametrize("dtype", ["bool", "boolean"])
    @pytest.mark.parametrize("processor", [CsvProcessor, PyArrowCsvProcessor])
    def test_writes_truth_alike(self, processor: type[CsvProcessor], dtype: str) -> None:
        data = pd.DataFrame({"id": [1, 2], "pred": pd.Series([True, False], dtype=dtype)})
        assert processor().serialize(data) == b"id,pred\n1,true\n2,false\n"
        assert processor().deserialize(b"id,pred\n1,true\n2,false\n")["pred"].tolist() == [True, False]

    def test_writes_gaps_in_truth_as_others(self) -> None:
        data = pd.DataFrame({"id": [1, 2], "pred": pd.Series([True, None], dtype="boolean")})
        assert CsvProcessor().serialize(data) == PyArrowCsvProcessor().serialize(data) == b"id,pred\n1,true\n2,\n"

    @pytest.mark.parametrize("processor", [CsvProcessor, PyArrowCsvProcessor])
    def test_begins_with_a_byte_order_mark_only_if_so_wanted(self, processor: type[CsvProcessor]) -> None:
        data = pd.DataFrame({"id": [1], "地域": ["東京"]})
        assert processor(bom=True).serialize(data) == b"\xef\xbb\xbf" + processor().serialize(data)
        read = processor().deserialize(processor(bom=True).serialize(data))
        pd.testing.assert_frame_equal(read, data)

    @pytest.mark.parametrize("processor", [CsvProcessor, PyArrowCsvProcessor])
    @pytest.mark.parametrize("value", ["NA", "NULL", "nan", "00001", "1e3", "true", "2024-01-01", "=1+1", " x "])
    def test_reads_text_as_it_was_written(self, processor: type[CsvProcessor], value: str) -> None:
        data = pd.DataFrame({"id": [value, "x"], "pred": ["x", value], "width": [0.5, None]})
        read = processor(text=["id", "pred"]).deserialize(processor().serialize(data))
        pd.testing.assert_frame_equal(read, data)


class TestParquetProcessor:
    def test_gives_back_the_frame_and_its_attributes(self, flowers: pd.DataFrame) -> None:
        flowers.attrs["accuracy"] = 0.9666666666666667
        loaded = ParquetProcessor().deserialize(ParquetProcessor().serialize(flowers))
        pd.testing.assert_frame_equal(loaded, flowers)
        assert loaded.attrs == flowers.attrs

    def test_compresses_with_zstd(self, flowers: pd.DataFrame) -> None:
        file = BytesIO(ParquetProcessor().serialize(flowers))
        assert pq.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"

    def test_makes_a_dictionary_of_floats_that_are_repeated(self) -> None:
        varied = np.random.default_rng(0).normal(size=20_000)
        content = ParquetProcessor().serialize(pd.DataFrame({"repeated": varied.round(1), "varied": varied}))
        columns = pq.ParquetFile(BytesIO(content)).metadata.row_group(0)
        assert [columns.column(number).has_dictionary_page for number in range(2)] == [True, False]

    def test_gives_a_frame_that_can_be_changed(self, flowers: pd.DataFrame) -> None:
        loaded = ParquetProcessor().deserialize(ParquetProcessor().serialize(flowers))
        loaded.loc[0, "petal_width"] = 9.0
        assert loaded.loc[0, "petal_width"] == 9.0


class TestJsonProcessor:
    def test_gives_back_what_it_was_given(self) -> None:
        document = {"accuracy": 0.9666666666666667, "rows": 30, "losses": [0.5, 0.25]}
        assert JsonProcessor().deserialize(JsonProcessor().serialize(document)) == document

    def test_refuses_what_is_no_number(self) -> None:
        with pytest.raises(ValueError, match="not JSON compliant"):
            JsonProcessor().serialize({"accuracy": float("nan")})
