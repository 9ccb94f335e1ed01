"""Rejected rows have the cells of the file, and the reason in a column of its own."""

from __future__ import annotations

import csv
import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pandera.pandas as pandera
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pandera.typing import Series

from gokart_pipeline_sample.io.compiled_model import Engine
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.pipeline.batch.score_table import PartScorer, describe_rejected
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.base import ID, BaseSchema
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema

SCHEMA = IrisFeatureSchema.new_row_schema()
GOOD = {"id": "1", "sepal_length": "5.1", "sepal_width": "3.5", "petal_length": "1.4", "petal_width": "0.2"}
BAD = {**GOOD, "id": "2", "petal_width": "-1"}


def reject(path: Path, model: Booster, reference: Reference) -> pd.DataFrame:
    """Return the rejected rows of a table that is scored two rows at a time."""
    table = Table(str(path))
    preprocess = LOOKUPS.bind(PreprocessTask.preprocess, {})
    scorer = PartScorer(Engine(model), reference, pd.Index([]), preprocess, table, None, None, with_proba=True)
    rejected = []
    for piece in table.list_pieces(SCHEMA, 2, elsewhere=False, as_text=True):
        rows, batches = table.read_piece(SCHEMA, piece)
        _, reasons, _ = scorer.score(rows, "")
        rejected.append(describe_rejected(batches, reasons))
    return pd.concat(rejected, ignore_index=True)


class TestCells:
    @pytest.mark.parametrize(
        ("column", "cell"),
        [
            pytest.param("id", "00002", id="leading zeros"),
            pytest.param("id", "+2", id="plus"),
            pytest.param("sepal_length", "1e400", id="a number that no float has"),
            pytest.param("sepal_length", " 7 ", id="spaces"),
            pytest.param("sepal_length", "5.10", id="trailing zero"),
            pytest.param("sepal_length", "5", id="no decimals"),
            pytest.param("sepal_length", "0.51E1", id="exponent"),
            pytest.param("sepal_length", "5.0999999999999996447286321199499070644", id="more digits than a float has"),
            pytest.param("sepal_length", "5,1", id="decimal comma"),
            pytest.param("sepal_length", 'five "inches",\nor so', id="quotes, comma and newline"),
            pytest.param("sepal_length", "５.１", id="digits of another script"),  # noqa: RUF001
        ],
    )
    def test_of_csv_are_as_they_are_written(
        self, tmp_path: Path, model: Booster, reference: Reference, column: str, cell: str
    ) -> None:
        path, bad = tmp_path / "table.csv", {**BAD, column: cell}
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, GOOD)
            writer.writeheader()
            writer.writerows([GOOD, bad, bad, GOOD, GOOD, bad])
        rejected = reject(path, model, reference)
        assert rejected.drop(columns="reason").to_dict("records") == [bad] * 3
        assert (rejected.dtypes == "str").all()

    @pytest.mark.parametrize("cell", ["", "NA", "NULL"])
    def test_without_a_value_are_missing(self, tmp_path: Path, model: Booster, reference: Reference, cell: str) -> None:
        (tmp_path / "table.csv").write_text(f"{','.join(GOOD)}\n1,5.1,{cell},1.4,0.2\n")
        rejected = reject(tmp_path / "table.csv", model, reference)
        assert rejected["sepal_width"].isna().all()
        assert rejected["reason"].tolist() == ["sepal_width breaks not_nullable"]

    @pytest.mark.parametrize(
        ("values", "text"),
        [
            pytest.param(pa.array([0.1, -5.0], pa.float64()), ["0.1", "-5.0"], id="float64"),
            pytest.param(pa.array([0.1, -5.0], pa.float32()), ["0.1", "-5.0"], id="float32"),
            pytest.param(pa.array([2**53 + 1, -1]), ["9007199254740993", "-1"], id="an integer that no float is"),
            pytest.param(pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"], id="uint64"),
            pytest.param(pa.array([Decimal("-1.50"), None]), ["-1.50", None], id="decimal"),
            pytest.param(pa.array([None, None]), [None, None], id="nothing"),
            pytest.param(pa.array([float("inf"), float("-inf")]), ["inf", "-inf"], id="infinity"),
        ],
    )
    def test_of_parquet_are_exact(
        self, tmp_path: Path, model: Booster, reference: Reference, values: pa.Array, text: list[str | None]
    ) -> None:
        rows = pa.table({**{name: [float(cell)] * 2 for name, cell in GOOD.items()}, "id": [1, 2]})
        rows = rows.set_column(rows.column_names.index("petal_width"), "petal_width", values)
        rows = rows.set_column(1, "sepal_length", pa.array([-1.0, -1.0]))
        pq.write_table(rows, tmp_path / "table.parquet")
        rejected = reject(tmp_path / "table.parquet", model, reference)
        assert rejected["id"].tolist() == ["1", "2"]
        assert rejected["petal_width"].astype(object).where(rejected["petal_width"].notna(), None).tolist() == text

    @pytest.mark.parametrize(
        ("value", "text"),
        [
            (datetime.datetime(2024, 1, 31, 9, 30, 0, 1), "2024-01-31 09:30:00.000001"),
            (datetime.date(9999, 12, 31), "9999-12-31"),
            (datetime.datetime(9999, 12, 31), "9999-12-31 00:00:00.000000"),
            (True, "true"),
            ("00001", "00001"),
        ],
    )
    def test_of_other_types_are_exact(self, value: Any, text: str) -> None:
        batches = [pa.record_batch({"a": [value]}), pa.record_batch({"a": pa.array([value, None]).dictionary_encode()})]
        rejected = describe_rejected(batches[: 1 + isinstance(value, str)], pd.Series({0: "x"}))
        assert rejected["a"].tolist() == [text]


class TestReason:
    @pytest.mark.parametrize(
        ("columns", "expected"),
        [
            (["id", "width"], "reason"),
            (["id", "reason"], "reason_"),
            (["reason", "width"], "reason_"),
            (["id", "Reason"], "reason_"),
            (["reason_", "REASON"], "reason__"),
            (["reasons", "a reason"], "reason"),
        ],
    )
    def test_has_a_name_that_no_column_has(self, columns: list[str], expected: str) -> None:
        batch = pa.record_batch({name: [f"{name} {row}" for row in range(3)] for name in columns})
        rejected = describe_rejected([batch[:1], batch[1:]], pd.Series({0: "too wide", 2: "too long"}))
        assert rejected.columns.tolist() == [*columns, expected]
        assert rejected[expected].tolist() == ["too wide", "too long"]
        for name in columns:
            assert rejected[name].tolist() == [f"{name} 0", f"{name} 2"]


class KindsSchema(BaseSchema):
    """A column of each kind, each of which may be missing if its type allows that."""

    id: Series[str] = pandera.Field(metadata=ID)
    number: Series[float] = pandera.Field(nullable=True)
    count: Series[int] = pandera.Field()
    size: Series[pd.Int64Dtype] = pandera.Field(nullable=True)
    flag: Series[pd.BooleanDtype] = pandera.Field(nullable=True)
    day: Series[pd.Timestamp] = pandera.Field(nullable=True)
    country: Series[str] = pandera.Field(isin=["NA", "JP"], nullable=True)


@pytest.mark.parametrize("rows", [1, 2, 100])
def test_cells_that_stay_text_have_the_same_values(tmp_path: Path, rows: int) -> None:
    """A table with bad rows is read as text, and one without is not."""
    cells = [
        '""',
        "",
        "NA",
        '"NA"',
        "NULL",
        "00007",
        "3.0",
        " 7 ",
        "1e400",
        "x",
        "true",
        "2024-01-31",
        "JP",
        "2.5",
        "1,5",
    ]
    lines = [",".join(KindsSchema.new_row_columns())]
    for place in range(len(cells) * 7):
        row = [str(place), "0.5", "1", "2", "true", "2024-01-31T09:00:00Z", "JP"]
        row[place % 7] = cells[place // 7] if "," not in cells[place // 7] else f'"{cells[place // 7]}"'
        lines.append(",".join(row))
    (tmp_path / "table.csv").write_text("\n".join(lines))
    table, schema = Table(str(tmp_path / "table.csv")), KindsSchema.new_row_schema()
    as_text = [
        table.read_piece(schema, piece)[0] for piece in table.list_pieces(schema, rows, elsewhere=False, as_text=True)
    ]
    expected = list(table.read_chunks(schema, rows))
    assert len(as_text) == len(expected) == -(-len(cells) * 7 // rows)
    for found, other in zip(as_text, expected, strict=True):
        pd.testing.assert_frame_equal(found, other, check_exact=True)
