"""Frames as the bytes of a file."""

from __future__ import annotations

import csv
import io

import pandas as pd

CONTENT_TYPES = {"csv": "text/csv; charset=utf-8", "parquet": "application/vnd.apache.parquet"}


def serialize_frame(data: pd.DataFrame, file_format: str) -> bytes:
    """Write a frame without its index.

    Args:
        data: the frame.
        file_format: ``csv``, in UTF-8 with a line of names, or ``parquet``, compressed with zstd.
    """
    import pyarrow as pa
    import pyarrow.csv as pacsv

    if file_format == "parquet":
        return data.to_parquet(index=False, compression="zstd")
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(data.columns)
    content = io.BytesIO(header.getvalue().encode())
    content.seek(0, io.SEEK_END)
    pacsv.write_csv(pa.Table.from_pandas(data, preserve_index=False), content, pacsv.WriteOptions(include_header=False))
    return content.getvalue()
