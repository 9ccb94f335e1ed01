from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pytest

from gokart_pipeline_sample.io.file_formats import FormatProcessor, ParquetProcessor, PyArrowCsvProcessor
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.pipeline.batch.deliver_batch import cast_column

TYPES = {
    "id": pa.int64(),
    "pred": pa.int64(),
    "probability_0": pa.float64(),
    "probability_1": pa.float64(),
    "reason_1": pa.string(),
    "sepal_length": pa.float64(),
}


def read(processor: FormatProcessor, frame: pd.DataFrame, folder: Path) -> pa.Table:
    path = folder / f"part.{'parquet' if isinstance(processor, ParquetProcessor) else 'csv'}"
    path.write_bytes(processor.serialize(frame))
    typed, text = next(Table(str(path)).read_files())
    return pa.table({name: cast_column(name, column) for name, column in (typed | text).items()})


@pytest.mark.parametrize("processor", [ParquetProcessor(), PyArrowCsvProcessor(), PyArrowCsvProcessor(bom=True)])
@pytest.mark.parametrize("missing", [False, True])
def test_a_part_has_the_same_types_and_values_in_any_format(
    processor: FormatProcessor, missing: bool, tmp_path: Path
) -> None:
    frame = pd.DataFrame(
        {
            "id": [2**53 + 1, 0, 3],
            "pred": [0, 2, 1],
            # All that a part has may look like whole numbers.
            "probability_0": [0.0, 1.0, 0.0],
            "probability_1": [0.1 + 0.2, 1e-300, 1 / 3],
            "reason_1": pd.array([None, 'a "quoted"\nline, and more', ""] if not missing else [None] * 3, dtype="str"),
            "sepal_length": [5.0, None, 6.1] if not missing else [None] * 3,
        }
    ).astype({"sepal_length": "float64"})
    rows = read(processor, frame, tmp_path)
    assert rows.schema == pa.schema([*TYPES.items()])
    expected = frame.astype(object).where(frame.notna(), None)
    assert rows.to_pylist() == expected.to_dict("records")


def test_a_part_may_have_no_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": [1], "pred": [0]})[:0]
    for processor in (ParquetProcessor(), PyArrowCsvProcessor()):
        rows = read(processor, frame, tmp_path)
        assert (rows.schema, len(rows)) == (pa.schema([("id", pa.int64()), ("pred", pa.int64())]), 0)
