from __future__ import annotations

import math

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask


@pytest.fixture
def rows(flowers: pd.DataFrame) -> pd.DataFrame:
    """The rows 7 and 3 with the targets 0 and 2."""
    return PreprocessTask.add_area_feature(flowers)


HALF_RIGHT = pd.DataFrame({"id": [3, 7], "pred": [2, 1]})
ALL_RIGHT = pd.DataFrame({"id": [3, 7], "pred": [2, 0]})


class TestCheckAccuracy:
    def test_passes_the_predictions_on_with_their_accuracy(self, rows: pd.DataFrame) -> None:
        checked = CheckAccuracyTask.check_accuracy(ALL_RIGHT, rows, require_acc=0.9)
        assert checked.equals(ALL_RIGHT)
        assert checked.attrs == {"accuracy": 1.0}
        assert ALL_RIGHT.attrs == {}

    @pytest.mark.parametrize("require_acc", [0.5, 0.6, 1.0])
    def test_refuses_an_accuracy_that_does_not_exceed_the_required_one(
        self, rows: pd.DataFrame, require_acc: float
    ) -> None:
        with pytest.raises(AccuracyTooLowError, match=f"0.5 does not exceed the required {require_acc}"):
            CheckAccuracyTask.check_accuracy(HALF_RIGHT, rows, require_acc)

    def test_matches_rows_by_id_and_not_by_position(self, rows: pd.DataFrame) -> None:
        by_position = pd.DataFrame({"id": [3, 7], "pred": [0, 2]})
        with pytest.raises(AccuracyTooLowError, match=r"0\.0 does not"):
            CheckAccuracyTask.check_accuracy(by_position, rows, require_acc=0.1)

    @pytest.mark.parametrize("require_acc", [math.nan, -0.1, 1.1, math.inf])
    def test_refuses_a_required_accuracy_that_is_no_share(self, rows: pd.DataFrame, require_acc: float) -> None:
        with pytest.raises(ValueError, match="give a number from 0 to 1"):
            CheckAccuracyTask.check_accuracy(ALL_RIGHT, rows, require_acc)

    def test_names_a_missing_target(self, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            CheckAccuracyTask.check_accuracy(ALL_RIGHT, rows.drop(columns="target"), require_acc=0.9)

    def test_refuses_predictions_of_other_rows(self, rows: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match="1 ids have no row or no prediction"):
            CheckAccuracyTask.check_accuracy(ALL_RIGHT[:1], rows, require_acc=0.1)

    def test_accepts_a_required_accuracy_of_zero(self, rows: pd.DataFrame) -> None:
        assert CheckAccuracyTask.check_accuracy(HALF_RIGHT, rows, require_acc=0.0).attrs == {"accuracy": 0.5}

    def test_names_all_that_breaks_a_schema(self, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            CheckAccuracyTask.check_accuracy(pd.DataFrame({"id": [3, 3], "pred": [2, 9]}), rows, require_acc=0.1)
        assert set(caught.value.failure_cases["column"]) == {"id", "pred"}
        with pytest.raises(SchemaErrors):
            CheckAccuracyTask.check_accuracy(ALL_RIGHT, rows.assign(petal_width=-1.0), require_acc=0.1)


class TestRequireAcc:
    def make(self, **parameters: str) -> CheckAccuracyTask:
        return CheckAccuracyTask(
            pred_task=LoadDataTask(),
            test_task=LoadDataTask(),
            **{name: CheckAccuracyTask.require_acc.parse(value) for name, value in parameters.items()},
        )

    def test_is_0_9_unless_told_otherwise(self) -> None:
        assert self.make().require_acc == 0.9

    @pytest.mark.parametrize("value", ["0", "1"])
    def test_may_be_none_or_all(self, value: str) -> None:
        assert self.make(require_acc=value).require_acc == float(value)

    @pytest.mark.parametrize("value", ["-0.01", "1.01", "nan"])
    def test_is_a_share(self, value: str) -> None:
        with pytest.raises(ValueError, match="is not in the set of float"):
            self.make(require_acc=value)
