from __future__ import annotations

from io import BytesIO

import pandas as pd
import pyarrow.parquet

from gokart_pipeline_sample.io.parquet import ParquetProcessor


class TestParquetProcessor:
    def test_gives_back_the_frame_and_its_attributes(self, flowers: pd.DataFrame) -> None:
        flowers.attrs["accuracy"] = 0.9666666666666667
        file = BytesIO()
        ParquetProcessor().dump(flowers, file)
        file.seek(0)
        loaded = ParquetProcessor().load(file)
        pd.testing.assert_frame_equal(loaded, flowers)
        assert loaded.attrs == flowers.attrs

    def test_compresses_with_zstd(self, flowers: pd.DataFrame) -> None:
        file = BytesIO()
        ParquetProcessor().dump(flowers, file)
        assert pyarrow.parquet.ParquetFile(file).metadata.row_group(0).column(0).compression == "ZSTD"
