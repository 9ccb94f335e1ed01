from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask


class TestMakeArea:
    def test_multiplies_row_by_row(self) -> None:
        actual = PreprocessTask.make_area(pd.Series([2.0, 4.0, 6.0]), pd.Series([1.0, 2.0, 3.0]))
        assert actual.equals(pd.Series([2.0, 8.0, 18.0]))


class TestAddAreaFeature:
    def test_refuses_an_area_that_is_infinite(self, rows: pd.DataFrame) -> None:
        huge = rows.assign(petal_length=1e200, petal_width=[1.0, 1e200])
        with pytest.raises(SchemaErrors) as caught:
            PreprocessTask.add_area_feature(huge)
        (case,) = caught.value.failure_cases.to_dict("records")
        assert (case["column"], case["check"], case["index"]) == ("petal_area", "finite", 1)

    def test_adds_the_area_of_the_petals(self, rows: pd.DataFrame) -> None:
        assert PreprocessTask.add_area_feature(rows)["petal_area"].tolist() == [0.75, 8.0]

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            pytest.param("petal_length", [0.0, 1.0], id="zero length"),
            pytest.param("petal_length", [1, 2], id="whole numbers where floats are expected"),
            pytest.param("petal_width", [None, 1.0], id="missing value"),
            pytest.param("id", [1, 1], id="repeated id"),
            pytest.param("target", [0, 3], id="unknown class"),
            pytest.param("note", ["a", "b"], id="column that nobody described"),
        ],
    )
    def test_refuses_a_table_that_breaks_the_schema(
        self, rows: pd.DataFrame, column: str, values: list[object]
    ) -> None:
        with pytest.raises((SchemaError, SchemaErrors), match=column):
            PreprocessTask.add_area_feature(rows.assign(**{column: values}))
