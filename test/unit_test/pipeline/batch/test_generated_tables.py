"""Tables that hypothesis makes up, against an oracle of a few lines that knows nothing of pandera."""

from __future__ import annotations

import math
import re
import tempfile
from pathlib import Path
from typing import Any

import pandas as pd
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gokart_pipeline_sample.io.compiled_model import Engine
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.io.tables.duplicates import find_duplicates
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.pipeline.batch.score_table import PartScorer
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.bad_rows import readable_ids
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema

COLUMNS = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")

lengths = st.one_of(
    st.floats(0.1, 9.9).map(lambda value: repr(round(value, 2))),
    st.sampled_from(["", "NA", "0", "-1", "inf", "1e400", "1e200", "1e-200", "x", "1,5", "0x1A", " ", "+1.5", "1e0"]),
)
ids = st.one_of(st.integers(0, 20).map(str), st.sampled_from(["", "x", "1.5", "0x1", str(2**63 - 1), str(2**63)]))
rows = st.lists(st.tuples(ids, lengths, lengths, lengths, lengths), max_size=12)


def read_length(cell: str) -> float:
    """Read a cell as docs/tables.md says; NaN if it is no length."""
    value = float(cell) if NUMBER.fullmatch(cell) else math.nan
    return value if 0 < value < math.inf else math.nan


def is_valid(row: tuple[str, ...], repeated: set[int]) -> bool:
    identity, *cells = row
    if not re.fullmatch(r"\d+", identity) or int(identity) >= 2**63 or int(identity) in repeated:
        return False
    values = [read_length(cell) for cell in cells]
    return not any(map(math.isnan, values)) and 0 < values[2] * values[3] < math.inf


def score(table: list[tuple[str, ...]], model: Booster, reference: Reference) -> tuple[pd.DataFrame, pd.Series]:
    """Write the rows as CSV, and score them as the tasks of a batch do."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        pd.DataFrame(table, columns=["id", *COLUMNS], dtype=str).to_csv(path, index=False)
        read = Table(str(path))
        schema = IrisFeatureSchema.arrow_schema(IrisFeatureSchema.new_row_columns())

        def read_ids() -> Any:
            chunks = read.read_chunks(IrisFeatureSchema.arrow_schema(["id"]), 5)
            return (readable_ids(IrisFeatureSchema, chunk) for chunk in chunks)

        duplicates = pd.Index(find_duplicates(read_ids))
        preprocess = LOOKUPS.bind(PreprocessTask.preprocess, {})
        scorer = PartScorer(Engine(model), reference, duplicates, preprocess, read, None, None, with_proba=True)
        scored = [scorer.score(chunk, "")[:2] for chunk in read.read_chunks(schema, 5)]
    published, reasons = (pd.concat(frames, ignore_index=True) for frames in zip(*scored, strict=True))
    return published, reasons


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(table=rows)
def test_valid_rows_are_predicted_and_all_others_rejected(
    table: list[tuple[str, ...]], model: Booster, reference: Reference
) -> None:
    numbers = [int(row[0]) for row in table if re.fullmatch(r"\d+", row[0]) and int(row[0]) < 2**63]
    repeated = {number for number in numbers if numbers.count(number) > 1}
    valid = [row for row in table if is_valid(row, repeated)]

    published, reasons = score(table, model, reference)

    assert published["id"].tolist() == [int(row[0]) for row in valid]
    assert len(reasons) == len(table) - len(valid)
    assert reasons.str.len().gt(0).all()
    if valid:
        frame = pd.DataFrame([list(map(float, row[1:])) for row in valid], columns=COLUMNS)
        frame.insert(0, "id", [int(row[0]) for row in valid])
        alone = PredTask.predict(model, PreprocessTask.preprocess(frame))
        assert published["pred"].tolist() == alone["pred"].tolist()
