from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.errors import SchemaErrors
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.compiled_model import Engine
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.batch.score_table import PartScorer
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference, measure_shift
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

Scored = tuple[pd.DataFrame, pd.Series, dict[str, Any]]


class ConvertingSchema(PreprocessedSchema):
    @pa.parser("petal_area")
    def shrink(cls, area: pd.Series) -> pd.Series:  # noqa: N805 - pandera passes the class
        return area / 10


@pa.check_types(lazy=True)
def convert(data: pd.DataFrame) -> DataFrame[ConvertingSchema]:
    return cast("DataFrame[ConvertingSchema]", data.assign(petal_area=data["petal_length"] * data["petal_width"]))


@pytest.fixture
def rows(iris: pd.DataFrame) -> pd.DataFrame:
    return iris.drop(columns="target")


def make_scorer(
    model: Booster, reference: Reference, duplicates: Sequence[int] = (), *, is_valid: bool = False
) -> PartScorer:
    preprocess = LOOKUPS.bind(PreprocessTask.preprocess, {})
    return PartScorer(Engine(model), reference, pd.Index(duplicates), preprocess, None, None, None, True, is_valid)


def score(model: Booster, rows: pd.DataFrame, duplicates: list[int], reference: Reference) -> Scored:
    return make_scorer(model, reference, duplicates).score(rows, "")


class TestScore:
    def test_predicts_as_for_rows_to_test(
        self, model: Booster, reference: Reference, rows: pd.DataFrame, preprocessed: pd.DataFrame
    ) -> None:
        scored, reasons, _ = score(model, rows, [], reference)
        pd.testing.assert_frame_equal(scored, PredTask.predict(model, preprocessed), check_exact=True)
        assert reasons.empty

    def test_gives_each_row_its_columns_to_publish(
        self, model: Booster, reference: Reference, rows: pd.DataFrame, preprocessed: pd.DataFrame
    ) -> None:
        expected, *others = score(model, rows, [7], reference)
        publish = ("petal_area", "sepal_width")
        scorer = make_scorer(model, reference, [7])._replace(publish=publish)
        scored, reasons, figures = scorer.score(rows, "")
        published = preprocessed.drop(index=7)[list(publish)].set_index(expected.index)
        pd.testing.assert_frame_equal(scored, expected.assign(**published), check_exact=True)
        assert scored.columns[-2:].tolist() == ["petal_area", "sepal_width"]
        assert [reasons.to_dict(), figures] == [others[0].to_dict(), others[1]]

    def test_predicts_rows_that_are_known_to_be_valid_without_checking_them(
        self, model: Booster, reference: Reference, rows: pd.DataFrame
    ) -> None:
        expected, *_ = score(model, rows, [], reference)
        scorer = make_scorer(model, reference, is_valid=True)
        pd.testing.assert_frame_equal(scorer.score(rows, "")[0], expected, check_exact=True)
        # The guard would not have passed this row: nothing looks at its values again.
        _, reasons, _ = scorer.score(rows.assign(petal_width=rows["petal_width"].mask(rows.index == 3, -1.0)), "")
        assert reasons.empty

    def test_converts_valid_rows_as_those_that_it_checks(
        self, model: Booster, reference: Reference, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        unchanged, *_ = score(model, rows, [], reference)
        monkeypatch.setattr(PreprocessTask, "preprocess", staticmethod(convert))
        expected, *_ = score(model, rows, [], reference)
        scorer = make_scorer(model, reference, is_valid=True)
        pd.testing.assert_frame_equal(scorer.score(rows, "")[0], expected, check_exact=True)
        assert not expected.equals(unchanged)

    @pytest.mark.parametrize("size", [1, 4, 29])
    def test_gives_the_same_bits_in_pieces(
        self, model: Booster, reference: Reference, rows: pd.DataFrame, size: int
    ) -> None:
        rows = rows[::5].reset_index(drop=True)
        pieces = [rows[start : start + size].reset_index(drop=True) for start in range(0, len(rows), size)]
        scored = pd.concat([score(model, piece, [], reference)[0] for piece in pieces], ignore_index=True)
        pd.testing.assert_frame_equal(scored, score(model, rows, [], reference)[0], check_exact=True)

    def test_gives_the_good_rows_the_same_bits_whatever_the_others_are(
        self, model: Booster, reference: Reference, rows: pd.DataFrame
    ) -> None:
        expected = score(model, rows, [], reference)[0].drop(index=[3, 149])
        width = rows["petal_width"].astype(object)
        width[3] = "?"
        scored, *_ = score(model, rows.assign(petal_width=width), [149], reference)
        pd.testing.assert_frame_equal(scored.reset_index(drop=True), expected.reset_index(drop=True), check_exact=True)

    def test_tells_why_rows_are_rejected(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        data = rows[:6].assign(
            id=[1, 2, 3, 4, 5, 6],
            petal_width=pd.Series(["0.2 cm", 0.2, None, -0.2, 0.2, 0.2], dtype=object),
            sepal_width=[3.5, 0.0, 3.5, 0.0, 3.5, 3.5],
        )
        scored, reasons, _ = score(model, data, [5], reference)
        assert scored["id"].tolist() == [6]
        assert reasons.to_dict() == {
            0: "petal_width breaks dtype('float64')",
            1: "sepal_width breaks greater_than(0)",
            2: "petal_width breaks not_nullable",
            3: "petal_width breaks greater_than(0); sepal_width breaks greater_than(0)",
            4: "id breaks field_uniqueness",
        }

    def test_takes_rows_none_of_which_is_good(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        scored, reasons, _ = score(model, rows.assign(petal_width=-1.0), [], reference)
        assert scored.empty
        assert scored.dtypes.equals(score(model, rows, [], reference)[0].dtypes)
        assert reasons.index.tolist() == rows.index.tolist()

    def test_takes_no_rows(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        scored, reasons, _ = score(model, rows[:0], [], reference)
        assert scored.empty
        assert reasons.empty
        assert scored.columns.tolist() == ["id", "pred", "probability_0", "probability_1", "probability_2"]

    def test_counts_the_valid_rows(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        pieces = [rows[:70].reset_index(drop=True), rows[70:].reset_index(drop=True)]
        figures: list[dict[str, Any]] = [score(model, piece, [7], reference)[2] for piece in pieces]
        shift = measure_shift([each["counts"] for each in figures], reference)
        assert shift is not None
        assert shift["rows"] == 149
        added = {name: column["counts"] for name, column in shift["columns"].items()}
        assert {sum(counts) for counts in added.values()} == {149}
        alone = score(model, rows.drop(index=7), [], reference)[2]
        assert alone["counts"]["columns"] == added
        assert [each["unseen"] for each in figures] == [{}, {}]

    def test_names_a_column_that_is_missing(self, model: Booster, reference: Reference, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="petal_width"):
            score(model, rows.drop(columns="petal_width"), [], reference)
