from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.errors import BadRowsError, TableError
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask

Run = Callable[..., dict[str, object]]


@pytest.fixture
def rows(iris: pd.DataFrame) -> pd.DataFrame:
    """A hundred new rows, with the ids 0 to 99."""
    return iris[:100].drop(columns="target")


def split(rows: pd.DataFrame, size: int) -> list[pd.DataFrame]:
    return [rows[start : start + size].reset_index(drop=True) for start in range(0, len(rows), size)]


def spoil(rows: pd.DataFrame, column: str, bad: int, value: object = -1.0) -> pd.DataFrame:
    return rows.assign(**{column: rows[column].where(rows.index >= bad, value)})


class Pieces:
    """A table whose pieces are frames."""

    def read_piece(self, _: object, piece: pd.DataFrame) -> tuple[pd.DataFrame, list[object]]:
        return piece, []


def guard(chunks: list[pd.DataFrame], duplicates: list[int], allowed_share: float) -> dict[str, object]:
    preprocess = LOOKUPS.bind(PreprocessTask.preprocess, {})
    checked = [GuardTableTask.check(Pieces(), pd.Index(duplicates), preprocess, chunk) for chunk in chunks]
    return GuardTableTask.guard(checked, duplicates, allowed_share)


class TestGuard:
    def test_counts_rows_of_which_an_infinite_feature_is_made(self, rows: pd.DataFrame) -> None:
        huge = rows.assign(petal_length=rows["petal_length"].where(rows["id"] != 3, 1e200))
        huge = huge.assign(petal_width=huge["petal_width"].where(rows["id"] != 3, 1e200))
        with pytest.raises(BadRowsError, match=r"petal_area breaks finite in 1 rows, the first of them with id \[3\]"):
            guard([huge], [], 0.0)
        assert guard([huge], [], 0.5)["bad_rows"] == 1

    @pytest.mark.parametrize("size", [10, 33, 100])
    def test_counts_the_rows_of_all_pieces(self, rows: pd.DataFrame, size: int) -> None:
        assert guard(split(rows, size), [], 0.0) == {"rows": 100, "bad_rows": 0, "duplicates": []}

    @pytest.mark.parametrize("size", [5, 33, 100])
    def test_counts_the_bad_rows_of_all_pieces(self, rows: pd.DataFrame, size: int) -> None:
        rows = spoil(spoil(rows, "petal_width", 7), "sepal_width", 4)
        with pytest.raises(BadRowsError) as caught:
            guard(split(rows, size), [98, 99], 0.01)
        start, *breaches = str(caught.value).replace(": ", "; ", 1).split("; ")
        assert start == "9 of 100 rows break IrisFeatureSchema, a share of 0.01 is allowed (see on_bad_row)"
        values = "and the values [-1.0]"
        assert sorted(breaches) == [
            "id breaks field_uniqueness in 2 rows, the first of them with id [98, 99]",
            f"petal_width breaks greater_than(0) in 7 rows, the first of them with id [0, 1, 2, 3, 4] {values}",
            f"sepal_width breaks greater_than(0) in 4 rows, the first of them with id [0, 1, 2, 3] {values}",
        ]

    def test_names_what_is_missing_and_what_cannot_be_read(self, rows: pd.DataFrame) -> None:
        width = rows["petal_width"].astype(object)
        width[:3] = ["5 cm", None, -1.0]
        with pytest.raises(BadRowsError) as caught:
            guard([rows.assign(petal_width=width)], [], 0.0)
        for breach in ("dtype('float64') in 1 rows", "not_nullable in 1 rows", "greater_than(0) in 1 rows"):
            assert f"petal_width breaks {breach}, the first of them" in str(caught.value)

    @pytest.mark.parametrize(
        ("column", "value", "breach"),
        [
            ("petal_width", float("inf"), "petal_width breaks finite in 2 rows"),
            # The product of the two is too small for a number.
            (["petal_length", "petal_width"], 1e-200, "petal_area breaks greater_than(0) in 2 rows"),
        ],
    )
    def test_refuses_what_no_feature_can_be_made_of(
        self, rows: pd.DataFrame, column: str, value: float, breach: str
    ) -> None:
        rows.loc[:1, column] = value
        with pytest.raises(BadRowsError, match=re.escape(breach)):
            guard(split(rows, 33), [], 0.01)
        assert guard(split(rows, 33), [], 0.02)["bad_rows"] == 2

    @pytest.mark.parametrize(("bad", "share"), [(29, 0.29), (57, 0.57), (58, 0.58)])
    def test_lets_exactly_the_allowed_share_pass(self, rows: pd.DataFrame, bad: int, share: float) -> None:
        assert guard([spoil(rows, "petal_width", bad)], [], share)["bad_rows"] == bad

    @pytest.mark.parametrize("allowed_share", [0.05, 0.051, 1.0])
    def test_lets_the_allowed_share_pass(self, rows: pd.DataFrame, allowed_share: float) -> None:
        result = guard(split(spoil(rows, "petal_width", 3), 10), [98, 99], allowed_share)
        assert result == {"rows": 100, "bad_rows": 5, "duplicates": [98, 99]}

    @pytest.mark.parametrize("allowed_share", [0.0, 0.01, 0.049])
    def test_refuses_more_than_the_allowed_share(self, rows: pd.DataFrame, allowed_share: float) -> None:
        with pytest.raises(BadRowsError, match="5 of 100 rows break"):
            guard(split(spoil(rows, "petal_width", 5), 10), [], allowed_share)

    def test_lets_a_table_without_good_rows_pass_if_all_may_be_bad(self, rows: pd.DataFrame) -> None:
        assert guard([spoil(rows, "petal_width", 100)], [], 1.0)["bad_rows"] == 100

    @pytest.mark.parametrize("allowed_share", [0.0, 0.5])
    def test_takes_a_table_without_rows(self, rows: pd.DataFrame, allowed_share: float) -> None:
        result = guard([rows[:0]], [], allowed_share)
        assert result == {"rows": 0, "bad_rows": 0, "duplicates": []}

    def test_names_a_column_that_is_wrong_as_a_whole(self, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="petal_width"):
            guard([rows.drop(columns="petal_width")], [], 1.0)


class TestGuardTableTask:
    @pytest.fixture
    def run(self, tmp_path: Path) -> Run:
        """Run the task on a table, and return what it puts out."""

        def run(table: pd.DataFrame, **parameters: object) -> dict[str, object]:
            table.to_csv(tmp_path / "table.csv", index=False)
            task = GuardTableTask(
                table=str(tmp_path / "table.csv"), workspace_directory=str(tmp_path / "workspace"), **parameters
            )
            task.run()
            result: dict[str, object] = json.loads(Path(task.output().path()).read_text())
            assert task.output().load() == result
            return result

        return run

    def test_keeps_what_it_finds(self, run: Run, rows: pd.DataFrame) -> None:
        rows.loc[[90, 91], "id"] = [3, 5]
        result = run(spoil(rows, "petal_width", 2, "?"), on_bad_row="reject", max_rejected_share=0.06)
        assert result == {"rows": 100, "bad_rows": 6, "duplicates": [3, 5]}

    def test_finds_duplicates_of_rows_that_cannot_be_read(self, run: Run, rows: pd.DataFrame) -> None:
        rows.loc[90, "id"] = 0
        result = run(spoil(rows, "petal_width", 1, "?"), on_bad_row="reject", max_rejected_share=0.02)
        assert result == {"rows": 100, "bad_rows": 2, "duplicates": [0]}

    @pytest.mark.parametrize(
        ("parameters", "share"),
        [({}, "0"), ({"max_rejected_share": 1.0}, "0"), ({"on_bad_row": "reject"}, "0.01")],
    )
    def test_refuses_bad_rows_unless_told_otherwise(
        self, run: Run, rows: pd.DataFrame, parameters: dict[str, object], share: str
    ) -> None:
        with pytest.raises(BadRowsError, match=f"2 of 100 rows break IrisFeatureSchema, a share of {share} is allowed"):
            run(spoil(rows, "petal_width", 2), **parameters)

    def test_takes_ids_that_cannot_be_read_for_bad_rows(self, run: Run, rows: pd.DataFrame) -> None:
        ids = rows["id"].astype(object)
        ids[:3] = ["x", "x", None]
        with pytest.raises(BadRowsError) as caught:
            run(rows.assign(id=ids))
        assert "id breaks dtype('int64') in 2 rows, the first of them with id ['x', 'x']" in str(caught.value)
        assert "id breaks not_nullable in 1 rows, the first of them with id [None]" in str(caught.value)

    @pytest.mark.parametrize(
        ("rows", "parameters", "last"),
        [
            (0, {}, "0 of 0 rows are valid, min_rows is 1"),
            (30, {"min_rows": 31}, "30 of 30 rows are valid, min_rows is 31"),
            (2, {"on_bad_row": "reject", "max_rejected_share": 1.0}, "0 of 2 rows are valid, min_rows is 1"),
        ],
    )
    def test_refuses_too_few_valid_rows(
        self, run: Run, rows: int, iris: pd.DataFrame, parameters: dict[str, object], last: str
    ) -> None:
        with pytest.raises(TableError, match=rf"table\.csv: {last}$"):
            run(spoil(iris[:rows], "petal_width", 2 if rows == 2 else 0), **parameters)

    @pytest.mark.parametrize("least", [0, 100])
    def test_takes_as_few_rows_as_it_is_told(self, run: Run, rows: pd.DataFrame, least: int) -> None:
        assert run(rows[:least], min_rows=least)["rows"] == least

    def test_does_not_look_at_a_target(self, run: Run, iris: pd.DataFrame) -> None:
        assert run(iris.assign(target="unknown")) == {"rows": 150, "bad_rows": 0, "duplicates": []}

    @pytest.mark.parametrize(
        ("parameter", "value"),
        [("on_bad_row", "ignore"), ("max_rejected_share", "1.1"), ("max_rejected_share", "-0.1")],
    )
    def test_refuses_values_that_mean_nothing(self, parameter: str, value: str) -> None:
        with pytest.raises(ValueError, match=value):
            GuardTableTask.from_str_params({"table": "", parameter: value})

    @pytest.mark.parametrize("value", ["0", "1"])
    def test_takes_none_and_all(self, value: str) -> None:
        task = GuardTableTask.from_str_params({"table": "", "max_rejected_share": value})
        assert task.max_rejected_share == float(value)
