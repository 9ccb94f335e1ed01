from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from gokart_pipeline_sample.io.frame_formats import CONTENT_TYPES, serialize_frame
from gokart_pipeline_sample.io.tables import Table

DATA = pd.DataFrame(
    {
        "id": [2**53 + 1, -1, 0],
        "width": [0.1 + 0.2, 1e-300, None],
        "name": ['a "b",\nc', "NA", None],
    },
    index=[5, 3, 3],
)
SCHEMA = pa.schema([("id", pa.int64()), ("width", pa.float64()), ("name", pa.string())])


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

    @pytest.mark.parametrize("file_format", CONTENT_TYPES)
    def test_writes_the_same_bytes_each_time(self, file_format: str) -> None:
        assert serialize_frame(DATA, file_format) == serialize_frame(DATA.copy(), file_format)
