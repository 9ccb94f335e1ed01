from __future__ import annotations

import ast
import datetime
import decimal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.judged_tables import make_grouped

from gokart_pipeline_sample.io.tables.table import Table
from pipeline_runner.adopt.infer_types import read_columns
from pipeline_runner.adopt.sketch import sketch
from pipeline_runner.errors import UsageError
from pipeline_runner.paths import PROJECT

ROWS = 40
DAY = datetime.date(2024, 1, 2)
AT_ONE = '"1970-01-01T01:00:00"'


def sketch_table(table: pa.Table, id_column: str = "key", target_column: str = "label", **roles: str) -> dict[str, str]:
    """Return the fields and the rows of a table in a Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.parquet")
        pq.write_table(table, path)
        columns = read_columns(Table(str(path)), {id_column: "id", target_column: "target", **roles})
        data = Table(str(path)).read(pa.schema([(each.name, each.type) for each in columns if each.annotation]))
        sketched = sketch(columns, data, {})
    return {
        "fields": format_code(f"class X:\n{sketched['fields']}\n").removeprefix("class X:\n"),
        "rows": format_code(f"ROWS = {{\n{sketched['rows']}\n}}\n").removeprefix("ROWS = {\n").removesuffix("}\n"),
    }


def format_code(text: str) -> str:
    ruff = [sys.executable, "-m", "ruff", "format", "--config", str(PROJECT / "pyproject.toml"), "-"]
    return subprocess.run(ruff, input=text, capture_output=True, text=True, check=True).stdout


def sketch_field(values: list[Any], name: str = "x", arrow_type: Any = None) -> str:
    """Return the lines of a column of a table with an id and a target."""
    column = pa.array(values, arrow_type)
    table = pa.table({"key": range(len(column)), name: column, "label": ["a", "b"] * (len(column) // 2)})
    return sketch_table(table)["fields"].partition("    key: Series[int] = ")[2].partition("\n")[2]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([1, 2] * 20, "    # 1 to 2\n    x: Series[int]\n"),
        ([1, None] * 20, "    # 1 to 1; 50.0% missing\n    x: Series[pd.Int64Dtype] = pa.Field(nullable=True)\n"),
        ([True, False] * 20, "    # 2 values, the most frequent True (20), False (20)\n    x: Series[bool]\n"),
        ([True, None] * 20, "    x: Series[pd.BooleanDtype] = pa.Field(nullable=True)\n"),
        ([0.5, 2.0] * 20, "    # 0.5 to 2.0\n    x: Series[float]\n"),
        ([0.5, float("inf")] * 20, "    # 0.5 to inf\n    x: Series[float]\n"),
        ([decimal.Decimal("1.50")] * ROWS, "    # 1.5 to 1.5\n    x: Series[float]\n"),
        ([DAY] * ROWS, "    # 2024-01-02 00:00:00 to 2024-01-02 00:00:00\n    x: Series[pd.Timestamp]\n"),
        ([None] * ROWS, "    # No value was seen.\n    x: Series[float] = pa.Field(nullable=True)\n"),
        (["u", "v", "u", None] * 10, "the most frequent u (20), v (10); 25.0% missing\n    x: Series[str] = pa.Field("),
        (["u", "v"] * 20, '    x: Series[str] = pa.Field(isin=["u", "v"])\n'),
        ([str(number) for number in range(ROWS)], "    # 40 different values\n    x: Series[str]\n"),
        (["Ann", "Bob", "Ann", *map(str, range(ROWS - 4)), None], "    # 38 different values; 2.5% missing\n    x: "),
        ([[1]] * ROWS, "    # 'x' is left out: its type is list<element: int64>.\n"),
    ],
    ids=str,
)
def test_a_column_becomes_a_field_with_what_was_seen(values: list[Any], line: str) -> None:
    assert line in sketch_field(values)


@pytest.mark.parametrize("keys", [range(1_000, 3_000), [f"k{number}" for number in range(2_000)]])
def test_an_id_is_only_counted(keys: Sequence[object]) -> None:
    fields = sketch_table(pa.table({"key": keys, "label": ["a", "b"] * 1_000}))["fields"]
    assert fields.startswith("    # 2,000 different values\n    key: ")


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("price [€]", 'price: Series[int] = pa.Field(alias="price [€]")'),
        ("列", 'column_2: Series[int] = pa.Field(alias="列")'),
        ("class", 'class_: Series[int] = pa.Field(alias="class")'),
        ("validate", 'validate_: Series[int] = pa.Field(alias="validate")'),
        ("2024", 'column_2024: Series[int] = pa.Field(alias="2024")'),
        ("%", 'column_2: Series[int] = pa.Field(alias="%")'),
        ("area_m²", 'area_m: Series[int] = pa.Field(alias="area_m²")'),
        ("ｶﾞｽ料金", 'column_2: Series[int] = pa.Field(alias="ｶﾞｽ料金")'),
        ("ＡＢＣ", 'column_2: Series[int] = pa.Field(alias="ＡＢＣ")'),
        ("_x", 'x: Series[int] = pa.Field(alias="_x")'),
        *(
            (name, f'{name}_: Series[int] = pa.Field(alias="{name}")')
            for name in ("pa", "pd", "ID", "TARGET", "Series")
        ),
        *((name, f'{name}_: Series[int] = pa.Field(alias="{name}")') for name in ("int", "str", "Config", "None")),
        ('say "hi"', "say_hi: Series[int] = pa.Field(alias='say \"hi\"')"),
        ("a\nb", 'a_b: Series[int] = pa.Field(alias="a\\nb")'),
    ],
)
def test_any_name_becomes_an_identifier(name: str, field: str) -> None:
    assert field in sketch_field([1, 2] * 20, name)


def test_names_stay_apart() -> None:
    table = pa.table({"a b": [1, 2], "a-b": [1, 2], "a_b": [1, 2], "t": ["x", "y"]})
    fields = sketch_table(table, "a b", "t")["fields"]
    assert 'a_b_: Series[int] = pa.Field(alias="a-b")' in fields
    assert 'a_b__: Series[int] = pa.Field(alias="a_b")' in fields


def test_long_lines_are_broken() -> None:
    line = sketch_field([f"{'long' * 8} {number % 4}" for number in range(ROWS)])
    assert max(map(len, line.splitlines())) <= 120
    assert '    x: Series[str] = pa.Field(\n        isin=[\n            "longlong' in line


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"key": [1, None, 2], "label": ["a", "b", "a"]}, "the column key is missing in 1 rows"),
        ({"key": [1, 2, 3], "label": ["a", None, "b"]}, "the column label is missing in 1 rows"),
        ({"key": [1.5, 2.0, 3.0], "label": ["a", "b", "a"]}, "the id key is double: make it int or str"),
        ({"key": [1, 2, 3], "label": [datetime.datetime(2026, 1, 1)] * 3}, "the target label is timestamp"),
        ({"key": [1, 2, 3], "label": [0.5, None, 2.0]}, "the column label is missing in 1 rows"),
        ({"key": [1, 2, 3]}, "the table has no column label: give --target one of key"),
        ({"label": [1, 2, 3]}, "the table has no column key: give --id one of label"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(columns: dict[str, list[Any]], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sketch_table(pa.table(columns))


class TestSketchRows:
    @pytest.mark.parametrize(
        ("values", "arrow_type", "literals"),
        [
            ([3, 1, 2, 2], None, "[1, 3, 1]"),
            ([3, None, 2, 2], None, "[2, 3, None]"),
            ([True, False, True, None], None, "[False, True, None]"),
            ([0.5, float("inf"), -float("inf"), float("nan")], None, "[0.5, 0.5, None]"),
            ([decimal.Decimal("1.50"), decimal.Decimal("2.25")], None, "[1.5, 2.25, 1.5]"),
            ([DAY, DAY], None, '["2024-01-02T00:00:00", "2024-01-02T00:00:00", "2024-01-02T00:00:00"]'),
            ([3600, 3600], pa.timestamp("s"), f"[{AT_ONE}, {AT_ONE}, {AT_ONE}]"),
            ([3600, None], pa.timestamp("s", "Asia/Tokyo"), f"[{AT_ONE}, {AT_ONE}, None]"),
            ([None, None], pa.null(), "[None, None, None]"),
            (["v", "u"] * 20, None, '["u", "v", "u"]'),
            (["v", "u", None, "v"] * 20, None, '["u", "v", None]'),
            (["v", "u"] * 20, pa.dictionary(pa.int8(), pa.string()), '["u", "v", "u"]'),
            ([f"open {number}" for number in range(ROWS)], None, '["a", "b", "b"]'),
            ([*(f"open {number}" for number in range(ROWS - 1)), None], None, '["a", "b", None]'),
        ],
        ids=str,
    )
    def test_they_have_the_limits_of_a_column_and_its_gaps(
        self, values: list[Any], arrow_type: Any, literals: str
    ) -> None:
        assert make_rows(pa.array(values, arrow_type)) == f'    "x": {literals},\n'

    @pytest.mark.parametrize(
        ("values", "literals"), [([70, 80], "[1, 2, 3]"), (["someone", "other"], '["a", "b", "c"]')]
    )
    def test_ids_are_made_up(self, values: list[Any], literals: str) -> None:
        table = pa.table({"key": values, "label": ["u", "v"]})
        assert sketch_table(table)["rows"] == f'    "key": {literals},\n    "label": ["u", "v", "u"],\n'

    def test_a_column_that_the_schema_leaves_out_is_left_out(self) -> None:
        assert make_rows(pa.array([[1], [2]])) == ""

    def test_long_lines_are_broken(self) -> None:
        values = [f"{'long' * 10} {number}" for number in range(2)]
        entry = make_rows(pa.array(values * 20))
        assert entry == f'    "x": [\n        "{values[0]}",\n        "{values[1]}",\n        "{values[0]}",\n    ],\n'

    def test_any_name_and_value_is_a_literal(self) -> None:
        values = ['say "hi"', "it's\n"]
        entry = make_rows(pa.array(values * 20), name='"]\n\\')
        assert ast.literal_eval(f"{{{entry}}}") == {'"]\n\\': [values[1], values[0], values[1]]}


def make_rows(column: pa.Array, name: str = "x") -> str:
    """Return the entry of a column of a table with an id and a target."""
    table = pa.table({"key": range(len(column)), name: column, "label": ["a", "b"] * (len(column) // 2)})
    head, tail = '    "key": [1, 2, 3],\n', '    "label": ["a", "b", "a"],\n'
    rows = sketch_table(table)["rows"]
    assert (rows[: len(head)], rows[-len(tail) :]) == (head, tail)
    return rows[len(head) : -len(tail)]


def test_a_column_that_decides_the_target_is_named() -> None:
    data = make_grouped()
    comment = (
        "Each of its 200 values has one target: training rows give test rows away. Leave it out, or make it GROUP."
    )
    fields = sketch_table(pa.Table.from_pandas(data, preserve_index=False), "id", "target")["fields"]
    assert fields.count(comment) == 1
    assert f"    # {comment}\n    customer: Series[int]\n" in fields


@pytest.mark.parametrize("prefix", [None, "customer "])
def test_a_group_may_be_absent_from_new_rows_and_is_not_shown(prefix: str | None) -> None:
    data = make_grouped()
    if prefix:
        data["customer"] = prefix + data["customer"].astype("str")
    found = sketch_table(pa.Table.from_pandas(data, preserve_index=False), "id", "target", customer="group")
    field = f"customer: Series[{'str' if prefix else 'int'}] | None = pa.Field(metadata=GROUP)"
    assert f"    # 200 different values\n    {field}\n" in found["fields"]
    assert '"customer": ' + ('["a", "b", "c"]' if prefix else "[1, 2, 3]") in found["rows"]


def test_a_group_must_not_be_missing() -> None:
    data = make_grouped().astype({"customer": "Int64"})
    data.loc[:2, "customer"] = None
    with pytest.raises(UsageError, match="customer is missing in 3 rows: remove them, or give --group another one"):
        sketch_table(pa.Table.from_pandas(data, preserve_index=False), "id", "target", customer="group")
