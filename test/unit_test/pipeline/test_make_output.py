from __future__ import annotations

import pandas as pd
import pytest

from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask


class TestMakeOutput:
    def test_gives_each_row_its_prediction_by_id(self, flowers: pd.DataFrame) -> None:
        prediction = pd.DataFrame({"id": [3, 7], "pred": [2, 0], "probability_0": [0.1, 0.9]})
        output = MakeOutputTask.make_output(prediction, PreprocessTask.add_area_feature(flowers))
        assert output.equals(pd.DataFrame({"id": [7, 3], "pred": [0, 2]}))

    @pytest.mark.parametrize(
        ("ids", "unmatched"), [([3], r"1 ids .*\[7\]"), ([3, 7, 9], r"1 ids .*\[9\]"), ([3, 8], r"2 ids .*\[7, 8\]")]
    )
    def test_names_rows_and_predictions_that_do_not_match(
        self, flowers: pd.DataFrame, ids: list[int], unmatched: str
    ) -> None:
        prediction = pd.DataFrame({"id": ids, "pred": 0})
        with pytest.raises(ValueError, match=unmatched):
            MakeOutputTask.make_output(prediction, PreprocessTask.add_area_feature(flowers))
