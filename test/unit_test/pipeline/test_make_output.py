from __future__ import annotations

import pandas as pd
import pytest

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema


class TestMakeOutput:
    def test_gives_each_row_its_prediction_by_id(self, flowers: pd.DataFrame) -> None:
        prediction = pd.DataFrame({"id": [3, 7], "pred": [2, 0], "probability_0": [0.1, 0.9]})
        output = MakeOutputTask.make_output(prediction, PreprocessTask.add_area_feature(flowers))
        assert output.equals(pd.DataFrame({"id": [7, 3], "pred": [0, 2]}))

    def test_gives_each_row_its_own_columns_in_the_order_asked_for(self, flowers: pd.DataFrame) -> None:
        prediction = pd.DataFrame({"id": [3, 7], "pred": [2, 0], "probability_0": [0.1, 0.9]})
        rows = PreprocessTask.add_area_feature(flowers)
        output = MakeOutputTask.make_output(prediction, rows, ["petal_area", "sepal_width"])
        assert output.equals(rows.assign(pred=[0, 2])[["id", "pred", "petal_area", "sepal_width"]])

    def test_gives_each_row_columns_of_its_prediction(self, flowers: pd.DataFrame) -> None:
        prediction = pd.DataFrame({"id": [3, 7], "pred": [2, 0], "reason_1": ["petal_width +1", "petal_area -2"]})
        rows = PreprocessTask.add_area_feature(flowers)
        output = MakeOutputTask.make_output(prediction, rows, ["reason_1", "petal_area"])
        assert output.columns.tolist() == ["id", "pred", "reason_1", "petal_area"]
        assert output["reason_1"].tolist() == ["petal_area -2", "petal_width +1"]

    @pytest.mark.parametrize(
        ("ids", "unmatched"), [([3], r"1 ids .*\[7\]"), ([3, 7, 9], r"1 ids .*\[9\]"), ([3, 8], r"2 ids .*\[7, 8\]")]
    )
    def test_names_rows_and_predictions_that_do_not_match(
        self, flowers: pd.DataFrame, ids: list[int], unmatched: str
    ) -> None:
        prediction = pd.DataFrame({"id": ids, "pred": 0})
        with pytest.raises(ValueError, match=unmatched):
            MakeOutputTask.make_output(prediction, PreprocessTask.add_area_feature(flowers))


class TestPublish:
    def make(self, names: list[str]) -> MakeOutputTask:
        return MakeOutputTask(pred_task=LoadDataTask(), test_task=LoadDataTask(), publish=names)

    def test_is_part_of_the_identity_in_its_order(self) -> None:
        choices = [], ["petal_width"], ["petal_width", "petal_area"], ["petal_area", "petal_width"]
        assert len({self.make(choice).make_unique_id() for choice in choices}) == len(choices)

    @pytest.mark.parametrize("name", ["id", "target", "pred", "day", "ID"])
    def test_refuses_what_is_no_other_column_of_new_rows(self, name: str) -> None:
        problem = rf"^publish cannot have \['{name}'\]: give some of sepal_length, .*, petal_area, each once$"
        with pytest.raises(SettingError, match=problem):
            self.make(["petal_width", name])

    def test_refuses_a_column_that_is_named_twice(self) -> None:
        with pytest.raises(SettingError, match=r"^publish cannot have .*'petal_width', 'petal_width'"):
            self.make(["petal_width", "petal_area", "petal_width"])

    @pytest.mark.parametrize(
        "name", ["pred", "Pred", "id", "probability_1", "Probability_of_rain", "reason", "Reason_12"]
    )
    def test_refuses_names_of_the_output_itself(self, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
        monkeypatch.setattr(PreprocessedSchema, "new_row_columns", lambda: ["number", "idea", "predicted", name])
        assert self.make(["predicted", "idea"]).publish == ("predicted", "idea")
        with pytest.raises(SettingError, match="give some of idea, predicted, each once"):
            self.make([name])
