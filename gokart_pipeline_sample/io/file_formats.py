"""File formats, but for that of models: the version of LightGBM is an input only of tasks that use its own module."""

import codecs
import json
from abc import ABC, abstractmethod
from collections.abc import Collection
from io import BytesIO
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

_SAMPLE_ROWS = 10_000
_ROWS_PER_WRITE = 65_536  # pyarrow's own 1,024 take twice the time.


class FormatProcessor(ABC):
    """A file format that is written and read in memory, so that a workspace on S3 needs no local disk."""

    content_type: str

    @abstractmethod
    def serialize(self, obj: Any) -> bytes:
        """Return an object as the content of a file."""

    @abstractmethod
    def deserialize(self, content: bytes) -> Any:
        """Return the object that the content of a file represents."""


class ParquetProcessor(FormatProcessor):
    """A frame as Parquet compressed with zstd: with its ``attrs``, without its index.

    A dictionary costs time and space for the ``unique`` columns, which have no repeated values, and for floats of which
    the first rows repeat few.
    """

    content_type = "application/vnd.apache.parquet"

    def __init__(self, unique: Collection[str] = ()) -> None:
        self._unique = unique

    def serialize(self, obj: pd.DataFrame | pa.Table) -> bytes:
        """Return the bytes of a frame, or of a table of Arrow."""
        if isinstance(obj, pa.Table):
            pq.write_table(obj, content := BytesIO(), compression="zstd")
            return content.getvalue()
        floats = obj.select_dtypes("float")[:_SAMPLE_ROWS]
        varied = {*self._unique, *floats.columns[floats.nunique() > len(floats) / 2]}
        repeated = [str(name) for name in obj.columns if name not in varied]
        return obj.to_parquet(index=False, compression="zstd", use_dictionary=repeated)

    def deserialize(self, content: bytes) -> pd.DataFrame:
        """Return the frame; it gets a new index from 0."""
        return pd.read_parquet(BytesIO(content))


class CsvProcessor(FormatProcessor):
    """A frame as CSV in UTF-8, with a header, without its index; any ``text`` columns are read as they are written."""

    content_type = "text/csv; charset=utf-8"

    def __init__(self, bom: bool = False, text: Collection[str] = ()) -> None:
        self._mark, self._text = codecs.BOM_UTF8 if bom else b"", text

    def serialize(self, obj: pd.DataFrame) -> bytes:
        """Return the bytes of a frame."""
        flags = {str(name): obj[name].map({True: "true", False: "false"}) for name in obj.select_dtypes("bool")}
        return self._mark + obj.assign(**flags).to_csv(index=False, lineterminator="\n").encode()

    def deserialize(self, content: bytes) -> pd.DataFrame:
        """Return the frame, with the types that pandas infers for other columns than those of text."""
        text = pd.read_csv(BytesIO(content), encoding="utf-8-sig", dtype=str, keep_default_na=False)
        return pd.read_csv(BytesIO(content), encoding="utf-8-sig").assign(**text.filter([*self._text]))


class PyArrowCsvProcessor(CsvProcessor):
    """A frame as CSV, written several times as fast as by pandas; all text cells are quoted, the header is not."""

    def serialize(self, obj: pd.DataFrame) -> bytes:
        """Return the bytes of a frame."""
        content = BytesIO()
        content.write(super().serialize(obj.head(0)))
        table = pa.Table.from_pandas(obj, preserve_index=False)
        pacsv.write_csv(table, content, pacsv.WriteOptions(include_header=False, batch_size=_ROWS_PER_WRITE))
        return content.getvalue()


class JsonProcessor(FormatProcessor):
    """Any object that JSON can represent, unlike gokart's own processor, which takes frames only."""

    content_type = "application/json"

    def serialize(self, obj: Any) -> bytes:
        """Return the bytes of an object; raise a ValueError for NaN and infinity, which JSON lacks."""
        return json.dumps(obj, indent=2, allow_nan=False).encode()

    def deserialize(self, content: bytes) -> Any:
        """Return the object."""
        return json.loads(content)


# By the extension of a file of the workspace. Pickle is not among them: loading a pickle runs code.
PROCESSORS: dict[str, FormatProcessor] = {".json": JsonProcessor(), ".parquet": ParquetProcessor()}
