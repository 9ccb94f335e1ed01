from __future__ import annotations

import pyarrow as pa
import pytest

from pipeline_runner.adopt.infer_types import infer

NUMBERS = [str(number) for number in range(100, 340)]
INT, FLOAT, BOOL, TIME, TEXT = "int64", "double", "bool", "timestamp[ns]", "large_string"


def infer_cells(cells: list[str | None], role: str = "feature", decimal: str = ".") -> tuple[str, int, list[str]]:
    return infer(pa.chunked_array([pa.array(cells, pa.string())]), role, decimal)


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["1", "-2", " 4 "], INT),
        (["+1", "2"], FLOAT),
        (["9999999999999999999", "1"], FLOAT),
        (["1", "2.5"], FLOAT),
        (["1e3", "-.5", "inf"], FLOAT),
        (["0", "0.5", "10"], FLOAT),
        (["1.0", "2.0"], FLOAT),
        (["18446744073709551615", "1"], FLOAT),
        (["0", "1"], INT),
        (["true", "False", "1"], BOOL),
        (["2024-01-01", "2024-01-02 10:00:00"], TIME),
        (["2024-01-01T00:00:00Z", "2024-01-01 09:00:00+09:00", "2024-01-01 00:00:00 UTC"], TIME),
        (["a", "1"], TEXT),
        (["00001", "10"], TEXT),
        (["-01", "10"], TEXT),
        (["01.5", "10"], TEXT),
        (["0x1F", "1"], TEXT),
        (["1_000", "1"], TEXT),
        (["10.0.0.1", "10.0.0.2"], TEXT),
        (["2024", "yes"], TEXT),
    ],
)
def test_a_column_has_the_first_type_that_reads_all_its_cells(cells: list[str | None], expected: str) -> None:
    assert infer_cells(cells)[:2] == (expected, 0)


@pytest.mark.parametrize("word", ["", r"\N", "NULL ", "N/A", "-", "n/a", "#N/A", "None", "?", None])
@pytest.mark.parametrize(
    ("cells", "expected"),
    [(["1", "2"], INT), (["1", "2.5"], FLOAT), (["true", "false"], BOOL), (["2024-01-01", "2024-01-02Z"], TEXT)],
)
def test_words_without_a_value_are_missing(cells: list[str | None], word: str | None, expected: str) -> None:
    kind, gaps, remarks = infer_cells([*cells, word])
    assert kind == expected
    if expected != TEXT:
        assert gaps == 1
        assert remarks == ([] if word is None else [f"Read as missing: {word.strip()!r} (1)."])


@pytest.mark.parametrize("cells", [[None, None], ["", r"\N"], ["NA ", " "]])
def test_a_column_without_any_value_has_no_type(cells: list[str | None]) -> None:
    assert infer_cells(cells)[:2] == ("null", 2)


@pytest.mark.parametrize(
    ("cells", "bad", "expected"),
    [
        (NUMBERS, "1,234.5", INT),
        (NUMBERS, "12%", INT),
        (NUMBERS, "€1.5", INT),
        ([f"{number}.5" for number in NUMBERS], "12,5", FLOAT),
        (["true", "false"] * 120, "ja", BOOL),
        (["2024-01-15"] * 240, "2024/01/15", TIME),
        (["2024-01-15"] * 240, "9999-12-31", TIME),
        (["2024-01-15T00:00:00Z"] * 240, "2024-01-15T25:00:00Z", TIME),
    ],
)
def test_a_few_unreadable_cells_are_named(cells: list[str | None], bad: str, expected: str) -> None:
    kind, gaps, remarks = infer_cells([*cells, bad, bad])
    assert (kind, gaps) == (expected, 0)
    assert remarks[0].startswith(
        f"Unreadable: {bad!r} (2): correct these cells, leave out their rows (on_bad_row=drop)"
    )


def test_more_than_a_few_unreadable_cells_make_text() -> None:
    assert infer_cells([*NUMBERS, *["x"] * 12])[0] == INT
    assert infer_cells([*NUMBERS, *["x"] * 13])[0] == TEXT


def test_only_the_most_frequent_cells_are_named() -> None:
    remarks = infer_cells([*NUMBERS, "x", "y", "z", "z", "long" * 20])[2]
    assert remarks[0].startswith("Unreadable: 'z' (2), 'x' (1), 'y' (1), …: ")


@pytest.mark.parametrize("role", ["id", "target"])
@pytest.mark.parametrize("odd", ["x", "00001", "007", "1,000"])
def test_ids_and_classes_stay_as_they_were_written(role: str, odd: str) -> None:
    assert infer_cells([*NUMBERS, odd], role)[:2] == (TEXT, 0)


@pytest.mark.parametrize("odd", ["1.5", "1e3", "9" * 30])
def test_a_target_may_be_a_float_and_an_id_may_not(odd: str) -> None:
    assert infer_cells([*NUMBERS, odd], "target")[:2] == (FLOAT, 0)
    assert infer_cells([*NUMBERS, odd], "id")[:2] == (TEXT, 0)


def test_only_a_class_may_be_a_boolean() -> None:
    cells: list[str | None] = ["True", "false"]
    assert [infer_cells(cells, role)[0] for role in ("id", "target")] == [TEXT, BOOL]


@pytest.mark.parametrize(
    ("cells", "remark"),
    [
        (["12%", "5.5 %", "-1%"], "numbers with a unit"),
        (["5 kg", "7 kg"], "numbers with a unit"),
        (["1.234,50 €", "7 €"], "numbers with a unit"),
        (["€1.5", "€22"], "numbers with a currency"),
        (["USD 1,500", "USD 3"], "numbers with a currency"),
        (["1,234.5", "12", "1,000,000"], "numbers with thousands separators"),
        (["1,5", "2,25"], "numbers with a decimal comma"),
        (["1.234,5", "2,25"], "numbers with a decimal comma"),
        (["2024/01/15", "2024/1/5 10:00"], "times"),
        (["15.01.2024", "1.1.2024"], "times"),
        (["01/15/2024", "02/15/2024"], "times"),
        (["2024年1月5日", "2024年12月15日"], "times"),
        (["1704067200", "1704153600"], "They look like seconds"),
        (["1704067200000", "1704153600000"], "They look like milliseconds"),
        (["20240101", "20241231"], "They look like days"),
    ],
)
def test_a_form_that_one_rule_would_read_is_told(cells: list[str | None], remark: str) -> None:
    assert remark in infer_cells(cells)[2][0]


@pytest.mark.parametrize(
    "cells", [["a", "b"], ["12A", "13B"], ["1", "2"], ["10.0.0.1", "10.0.0.2"], ["SKU1", "SKU2"], ["1-2", "3-4"]]
)
def test_other_forms_are_not(cells: list[str | None]) -> None:
    assert infer_cells(cells)[2] == []


def test_a_decimal_comma_is_read_where_it_is_asked_for() -> None:
    assert infer_cells(["1,5", "2", "-0,25"], decimal=",")[:2] == (FLOAT, 0)
    assert infer_cells(["1.234,5", "2,5"], decimal=",")[0] == TEXT
