from __future__ import annotations

import functools
import math

import lightgbm as lgb
import numpy as np
import pandas as pd
import pytest
from pandera.errors import SchemaErrors
from support.judged_tables import make_fraud

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.quality.scores import compare_with_baseline


@pytest.fixture
def rows(flowers: pd.DataFrame) -> pd.DataFrame:
    """The rows 7 and 3 with the targets 0 and 2."""
    return PreprocessTask.add_area_feature(flowers)


HALF_RIGHT = pd.DataFrame({"id": [3, 7], "pred": [2, 1]})
ALL_RIGHT = pd.DataFrame({"id": [3, 7], "pred": [2, 0]})
# Two rows cannot show with 95% confidence that a model is better than the most frequent class.
check = functools.partial(CheckAccuracyTask.check_accuracy, require_better=False)


class TestCheckAccuracy:
    def test_passes_the_predictions_on_with_their_accuracy(self, rows: pd.DataFrame) -> None:
        checked = check(ALL_RIGHT, rows, require_acc=0.9)
        assert checked.equals(ALL_RIGHT)
        assert checked.attrs == {"accuracy": 1.0}
        assert ALL_RIGHT.attrs == {}

    @pytest.mark.parametrize("require_acc", [0.5, 0.6, 1.0])
    def test_refuses_an_accuracy_that_does_not_exceed_the_required_one(
        self, rows: pd.DataFrame, require_acc: float
    ) -> None:
        with pytest.raises(AccuracyTooLowError, match=f"0.5 does not exceed the required {require_acc}"):
            check(HALF_RIGHT, rows, require_acc)

    def test_matches_rows_by_id_and_not_by_position(self, rows: pd.DataFrame) -> None:
        by_position = pd.DataFrame({"id": [3, 7], "pred": [0, 2]})
        with pytest.raises(AccuracyTooLowError, match=r"0\.0 does not"):
            check(by_position, rows, require_acc=0.1)

    @pytest.mark.parametrize("require_acc", [math.nan, -0.1, 1.1, math.inf])
    def test_refuses_a_required_accuracy_that_is_no_share(self, rows: pd.DataFrame, require_acc: float) -> None:
        with pytest.raises(ValueError, match="give a number from 0 to 1"):
            check(ALL_RIGHT, rows, require_acc)

    def test_names_a_missing_target(self, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            check(ALL_RIGHT, rows.drop(columns="target"), require_acc=0.9)

    def test_refuses_predictions_of_other_rows(self, rows: pd.DataFrame) -> None:
        with pytest.raises(ValueError, match="1 ids have no row or no prediction"):
            check(ALL_RIGHT[:1], rows, require_acc=0.1)

    def test_accepts_a_required_accuracy_of_zero(self, rows: pd.DataFrame) -> None:
        assert check(HALF_RIGHT, rows, require_acc=0.0).attrs == {"accuracy": 0.5}

    def test_names_all_that_breaks_a_schema(self, rows: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            check(pd.DataFrame({"id": [3, 3], "pred": [2, 9]}), rows, require_acc=0.1)
        assert set(caught.value.failure_cases["column"]) == {"id", "pred"}
        with pytest.raises(SchemaErrors):
            check(ALL_RIGHT, rows.assign(petal_width=-1.0), require_acc=0.1)


class TestRequireBetter:
    def make(self, right: int, frequent: int) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Make 40 flowers, so many of the class 0, all of them found, and the others of the class 1, some found."""
        columns = dict.fromkeys(["sepal_length", "sepal_width", "petal_length", "petal_width", "petal_area"], 1.0)
        test = pd.DataFrame({"id": range(40), **columns, "target": [0] * frequent + [1] * (40 - frequent)})
        pred = [0] * frequent + [1] * right + [0] * (40 - frequent - right)
        return pd.DataFrame({"id": range(40), "pred": pred}), test

    def test_a_model_that_finds_too_few_is_refused_with_both_figures(self) -> None:
        prediction, test = self.make(right=4, frequent=35)
        with pytest.raises(AccuracyTooLowError) as caught:
            CheckAccuracyTask.check_accuracy(prediction, test, require_acc=0.9)
        assert str(caught.value) == (
            "the accuracy 0.975 is not better than that of the most frequent class, 0.875, with 95% confidence "
            "(p = 0.062; add features or rows, or set require_better=false and require another figure, such as "
            "balanced_accuracy): nothing is published"
        )
        assert CheckAccuracyTask.check_accuracy(prediction, test, 0.9, require_better=False).equals(prediction)

    def test_a_model_that_finds_one_more_passes(self) -> None:
        prediction, test = self.make(right=5, frequent=35)
        assert CheckAccuracyTask.check_accuracy(prediction, test, require_acc=0.9).attrs == {"accuracy": 1.0}

    def test_all_failures_are_named(self) -> None:
        prediction, test = self.make(right=0, frequent=35)
        with pytest.raises(AccuracyTooLowError, match=r"0\.875 does not exceed the required 0\.9; other; .* \(p = 1; "):
            CheckAccuracyTask.check_accuracy(prediction, test, require_acc=0.9, failures=["other"])

    def test_frauds_that_are_hardly_found_are_not_better_than_none(self) -> None:
        fraud = make_fraud()
        learned, tested = fraud[:16_000], fraud[16_000:]
        features = ["x0", "x1", "x2", "x3", "x4", "x5"]
        model = lgb.LGBMClassifier(n_estimators=50, random_state=0, n_jobs=1, verbosity=-1)
        predicted = model.fit(learned[features], learned["target"]).predict(tested[features])
        truth = tested["target"].to_numpy()
        assert predicted.any()
        assert compare_with_baseline(truth, predicted) > 0.05

    def test_groups_whose_rows_are_right_together_prove_less(self) -> None:
        """Of 10 customers with 20 rows each, the model tells one from the most frequent class."""
        groups, truth = pd.Series(np.repeat(range(10), 20)), np.repeat([0, 0, 0, 0, 0, 0, 1, 1, 1, 1], 20)
        predicted = np.where(groups >= 9, truth, 0)
        assert compare_with_baseline(truth, predicted) < 1e-5
        assert compare_with_baseline(truth, predicted, groups) > 0.05
        assert compare_with_baseline(truth, truth, groups) < 0.05

    def test_is_asked_for_unless_told_otherwise(self) -> None:
        assert CheckAccuracyTask(pred_task=LoadDataTask(), test_task=LoadDataTask()).require_better


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
