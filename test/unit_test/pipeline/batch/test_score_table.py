from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.io.s3_batch import Part
from gokart_pipeline_sample.pipeline.batch.score_table import PartFigures, ScoreTableTask, UnseenValues, add_unseen
from gokart_pipeline_sample.pipeline.make_reference import Reference, add_counts
from gokart_pipeline_sample.pipeline.pred import PredTask


@pytest.fixture
def rows(iris: pd.DataFrame) -> pd.DataFrame:
    return iris.drop(columns="target")


class TestScore:
    def test_predicts_as_for_rows_to_test(
        self, model: Booster, reference: Reference, rows: pd.DataFrame, preprocessed: pd.DataFrame
    ) -> None:
        scored, rejected, _ = ScoreTableTask.score(model, rows, [], reference)
        pd.testing.assert_frame_equal(scored, PredTask.predict(model, preprocessed), check_exact=True)
        assert rejected.empty

    @pytest.mark.parametrize("size", [1, 4, 29])
    def test_gives_the_same_bits_in_pieces(
        self, model: Booster, reference: Reference, rows: pd.DataFrame, size: int
    ) -> None:
        rows = rows[::5].reset_index(drop=True)
        pieces = [rows[start : start + size].reset_index(drop=True) for start in range(0, len(rows), size)]
        scored = pd.concat(
            [ScoreTableTask.score(model, piece, [], reference)[0] for piece in pieces], ignore_index=True
        )
        pd.testing.assert_frame_equal(scored, ScoreTableTask.score(model, rows, [], reference)[0], check_exact=True)

    def test_gives_the_good_rows_the_same_bits_whatever_the_others_are(
        self, model: Booster, reference: Reference, rows: pd.DataFrame
    ) -> None:
        expected = ScoreTableTask.score(model, rows, [], reference)[0].drop(index=[3, 149])
        width = rows["petal_width"].astype(object)
        width[3] = "?"
        scored, *_ = ScoreTableTask.score(model, rows.assign(petal_width=width), [149], reference)
        pd.testing.assert_frame_equal(scored.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True)

    def test_rejects_rows_with_their_values_as_text_and_the_reason(
        self, model: Booster, reference: Reference, rows: pd.DataFrame
    ) -> None:
        data = rows[:6].assign(
            id=[1, 2, 3, 4, 5, 6],
            petal_width=pd.Series(["0.2 cm", 0.2, None, -0.2, 0.2, 0.2], dtype=object),
            sepal_width=[3.5, 0.0, 3.5, 0.0, 3.5, 3.5],
        )
        scored, rejected, _ = ScoreTableTask.score(model, data, [5], reference)
        assert scored["id"].tolist() == [6]
        assert rejected.columns.tolist() == [*data.columns, "reason"]
        assert (rejected.dtypes == "str").all()
        assert rejected["id"].tolist() == ["1", "2", "3", "4", "5"]
        assert rejected["sepal_width"].tolist() == ["3.5", "0.0", "3.5", "0.0", "3.5"]
        assert rejected["petal_width"].isna().tolist() == [False, False, True, False, False]
        assert rejected["petal_width"].dropna().tolist() == ["0.2 cm", "0.2", "-0.2", "0.2"]
        assert rejected["reason"].tolist() == [
            "petal_width breaks dtype('float64')",
            "sepal_width breaks greater_than(0)",
            "petal_width breaks not_nullable",
            "petal_width breaks greater_than(0); sepal_width breaks greater_than(0)",
            "id breaks field_uniqueness",
        ]

    def test_takes_rows_none_of_which_is_good(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        scored, rejected, _ = ScoreTableTask.score(model, rows.assign(petal_width=-1.0), [], reference)
        assert scored.empty
        assert scored.dtypes.equals(ScoreTableTask.score(model, rows, [], reference)[0].dtypes)
        assert rejected["id"].tolist() == rows["id"].astype(str).tolist()

    def test_takes_no_rows(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        scored, rejected, _ = ScoreTableTask.score(model, rows[:0], [], reference)
        assert scored.empty
        assert rejected.empty
        assert scored.columns.tolist() == ["id", "pred", "probability_0", "probability_1", "probability_2"]

    def test_counts_the_valid_rows(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        pieces = [rows[:70].reset_index(drop=True), rows[70:].reset_index(drop=True)]
        figures: list[PartFigures] = [ScoreTableTask.score(model, piece, [7], reference).figures for piece in pieces]
        added = add_counts([each["counts"] for each in figures])
        assert added["rows"] == 149
        assert {sum(counts) for counts in added["columns"].values()} == {149}
        alone = ScoreTableTask.score(model, rows.drop(index=7), [], reference).figures
        assert alone["counts"]["columns"] == added["columns"]
        assert [each["unseen"] for each in figures] == [{}, {}]

    def test_names_a_column_that_is_missing(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="petal_width"):
            ScoreTableTask.score(model, rows.drop(columns="petal_width"), [], reference)


def make_parts(rows: dict[str, int]) -> dict[str, Part]:
    return {name: Part(key=f"batch/{name}", rows=count, size=1, sha256="0") for name, count in rows.items()}


def names_of(parts: list[dict[str, Any]]) -> list[str]:
    return [part["key"].removeprefix("batch/") for part in parts]


class TestMakeManifest:
    def test_names_parts_and_counts_rows(self) -> None:
        parts = make_parts({"part-00001.csv": 4, "rejected/part-00001.csv": 1, "part-00000.csv": 5})
        manifest = ScoreTableTask.make_manifest(parts, 10, model={"accuracy": 0.9}, table={"fingerprint": "f"})
        assert manifest == {
            "parts": [parts["part-00000.csv"], parts["part-00001.csv"]],
            "rejected": [parts["rejected/part-00001.csv"]],
            "rows_in": 10,
            "rows_published": 9,
            "rows_rejected": 1,
            "model": {"accuracy": 0.9},
            "table": {"fingerprint": "f"},
        }

    def test_keeps_the_order_of_the_table_with_any_number_of_parts(self) -> None:
        numbers = [100_000, 9, 99_999, 100_001, 10, 0, 1_000_000, 12_345]
        parts = make_parts({f"{folder}part-{number:05d}.csv": 1 for number in numbers for folder in ("", "rejected/")})
        manifest = ScoreTableTask.make_manifest(parts, 2 * len(numbers))
        expected = [f"part-{number:05d}.csv" for number in sorted(numbers)]
        assert names_of(manifest["parts"]) == expected
        assert names_of(manifest["rejected"]) == [f"rejected/{name}" for name in expected]

    def test_takes_a_table_without_rows(self) -> None:
        manifest = ScoreTableTask.make_manifest(make_parts({"part-00000.csv": 0}), 0)
        assert (manifest["rows_in"], manifest["rows_published"], manifest["rows_rejected"]) == (0, 0, 0)
        assert manifest["rejected"] == []

    @pytest.mark.parametrize("rows", [8, 10])
    def test_refuses_rows_that_do_not_add_up(self, rows: int) -> None:
        parts = make_parts({"part-00000.csv": 6, "part-00001.csv": 2, "rejected/part-00001.csv": 1})
        with pytest.raises(ValueError, match=f"{rows} rows came in, 8 are published and 1 rejected"):
            ScoreTableTask.make_manifest(parts, rows)


@pytest.mark.parametrize(("rows", "is_allowed"), [(0, False), (1, True), (2**31 - 1, True), (2**31, False)])
def test_a_part_has_at_least_one_row_and_a_number_that_fits(rows: int, is_allowed: bool) -> None:
    parse = ScoreTableTask.rows_per_part.parse
    if is_allowed:
        assert parse(str(rows)) == rows
    else:
        with pytest.raises(ValueError, match="is not in the set of int"):
            parse(str(rows))


def test_values_that_are_unseen_are_summed_over_the_parts(caplog: pytest.LogCaptureFixture) -> None:
    first = UnseenValues(rows=4, values=["new 1", "new 2"])
    second = UnseenValues(rows=22, values=["new 2", *(f"more {number}" for number in range(9))])
    added = add_unseen([{"city": first}, {}, {"city": second, "street": UnseenValues(rows=1, values=["x"])}])
    assert added["city"]["rows"] == 26
    assert added["city"]["values"] == ["new 1", "new 2", *(f"more {number}" for number in range(8))]
    assert added["street"] == {"rows": 1, "values": ["x"]}
    assert "26 rows have values of city that no training row has: ['new 1'," in caplog.text


def test_no_values_are_unseen_in_no_parts() -> None:
    assert add_unseen([]) == {}
    assert add_unseen([{}, {}]) == {}
