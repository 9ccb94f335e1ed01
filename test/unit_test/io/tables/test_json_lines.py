from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.table import Table

SCHEMA = pa.schema(
    [("id", pa.int64()), ("size", pa.float64()), ("name", pa.string()), ("day", pa.timestamp("ns")), ("ok", pa.bool_())]
)
ROWS = [
    {"id": 1, "size": 1.5, "name": "a", "day": "2026-01-31", "ok": True, "other": {"x": [1]}},
    {"id": 2, "size": 2, "name": None, "ok": None},
    {"id": 9007199254740993, "name": "東京", "day": "2026-01-31T12:00:00+09:00"},
]


def write(path: Path, *lines: object) -> Path:
    text = "".join(f"{line if isinstance(line, str) else json.dumps(line)}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("name", ["t.jsonl", "t.jsonl.gz", "T.JSONL"])
def test_rows_are_those_of_the_same_parquet(name: str, tmp_path: Path) -> None:
    read = Table(str(write(tmp_path / name, *ROWS))).read(SCHEMA)
    assert read["id"].tolist() == [1, 2, 9007199254740993]
    assert read["size"].tolist()[:2] == [1.5, 2.0]
    assert read["size"].isna().tolist() == [False, False, True]
    assert read["name"].fillna("none").tolist() == ["a", "none", "東京"]
    assert read["day"].tolist()[::2] == [pd.Timestamp("2026-01-31"), pd.Timestamp("2026-01-31 03:00")]
    assert read["ok"].tolist() == [True, None, None]


def test_cells_of_another_type_are_read_or_stay_text_as_they_are_written(tmp_path: Path) -> None:
    lines = [
        {"id": "1", "size": "2.5", "name": 7},
        '{"id": 2.0, "size": 1.50e3, "name": 1.50}',
        {"id": "x", "size": [1]},
    ]
    table = Table(str(write(tmp_path / "t.jsonl", *ROWS[:1], *lines)))
    read = table.read(SCHEMA)
    assert read["id"].tolist() == [1, 1, 2, "x"]
    assert read["size"].tolist() == [1.5, 2.5, 1500.0, '["1"]']
    assert read["name"].tolist()[:3] == ["a", "7", "1.50"]
    (piece,) = table.list_pieces(SCHEMA, 10, elsewhere=False, as_text=True)
    assert table.read_piece(SCHEMA, piece)[1][0]["size"].to_pylist() == ["1.5", "2.5", "1.50e3", '["1"]']


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ([{"id": 1}], r"t.jsonl: columns are missing \(size, name, day, ok\)"),
        (
            [ROWS[0], '{"id": 1, "id": 2}'],
            r"it cannot be read: a row has a key more than once: \['id', 'id'\]",
        ),
        (['{"id": 1, "id": 2}'], "a row has a key more than once"),
        ([ROWS[0], "[1, 2]"], "t.jsonl: it cannot be read: a line has no JSON object: write one on each line"),
        ([ROWS[0], '{"id": 1'], "t.jsonl: it cannot be read: Expecting ',' delimiter"),
        ([], r"t.jsonl: columns are missing .* it is empty: write it again"),
    ],
)
def test_what_is_no_table_is_an_error(lines: list[object], problem: str, tmp_path: Path) -> None:
    with pytest.raises(TableError, match=problem):
        Table(str(write(tmp_path / "t.jsonl", *lines))).read(SCHEMA)


def test_many_blocks_are_one_table(tmp_path: Path) -> None:
    ids, sizes = np.arange(100_000), np.random.default_rng(1).normal(size=100_000)
    frame = pd.DataFrame({"id": ids, "size": sizes, "name": "n", "day": "2026-01-31", "ok": False})
    frame.to_json(tmp_path / "t.jsonl", orient="records", lines=True, double_precision=15)
    table = Table(str(tmp_path / "t.jsonl"))
    chunks = [*table.read_chunks(SCHEMA, 30_000)]
    assert [len(chunk) for chunk in chunks] == [30_000, 30_000, 30_000, 10_000]
    assert pd.concat(chunks)["id"].tolist() == ids.tolist()
    assert np.allclose(pd.concat(chunks)["size"], sizes)


def test_all_columns_are_read_as_text_to_adopt_a_table(tmp_path: Path) -> None:
    ((typed, text),) = Table(str(write(tmp_path / "t.jsonl", *ROWS))).read_files()
    assert not typed
    assert [*text] == ["id", "size", "name", "day", "ok", "other"]
    assert text["id"].to_pylist() == ["1", "2", "9007199254740993"]
    assert text["ok"].to_pylist() == ["true", None, None]
