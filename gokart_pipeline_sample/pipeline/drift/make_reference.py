"""Describe the test rows, which new rows are compared with."""

from typing import Any, NotRequired, TypedDict, cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.pipeline.drift import shift
from gokart_pipeline_sample.pipeline.drift.estimate import ESTIMATOR
from gokart_pipeline_sample.pipeline.model.model_input import Rows, select_features
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema, match_by_id
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask


class Reference(TypedDict):
    """The test rows, as far as new rows are compared with them."""

    rows: int
    figures: dict[str, float]  # of the model: its accuracy; or the errors of it and of the median, and the median
    estimator: dict[str, Any]  # see ESTIMATOR.fit
    columns: dict[str, shift.Distribution]  # of the features, and of the prediction


class RowCounts(TypedDict):
    """Counts of new rows; those of several chunks can be added."""

    rows: int
    expected: float  # sum of what is expected of each; see ESTIMATOR.expect
    variance: float  # sum of the variances
    columns: dict[str, list[int]]


class Shift(TypedDict):
    """The shift of new rows."""

    rows: int
    estimated_accuracy: NotRequired[dict[str, float]]  # accuracy, low and high: its interval of 95%
    estimated_mae: NotRequired[dict[str, float]]  # instead, if the target is a number
    columns: dict[str, shift.ColumnShift]  # the greatest shift first


class MakeReferenceTask(GokartTask[Reference]):
    """Outputs a :class:`Reference` document, ``reference.json``."""

    file_name = "reference.json"

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the model.")
    pred_task: TaskParameter[DataFrame[PredictionSchema]] = TaskParameter("Outputs their predictions.")
    train_task: TaskParameter[Rows] = TaskParameter("Outputs the training rows.")
    test_task: TaskParameter[Rows] = TaskParameter("Outputs the predicted rows.")

    def run(self) -> None:
        """Describe the rows and save the document."""
        model, prediction = self.load(self.model_task), self.load(self.pred_task)
        self.dump(self.make_reference(model, prediction, self.load(self.train_task), self.load(self.test_task)))

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def make_reference(model: Booster, prediction: DataFrame[PredictionSchema], train: Rows, test: Rows) -> Reference:
        """Describe the test rows in ranges of values that the training rows suggest; predictions are matched by id."""
        matched = match_by_id(prediction, test[PreprocessedSchema.id_column()])
        predicted, truth = matched[PredictionSchema.target_column()], test[PreprocessedSchema.target_column()]
        learned, tested = (select_features(rows, get_kept(model, "fitted_features")) for rows in (train, test))
        columns = {str(name): shift.describe_column(learned[name], tested[name]) for name in learned}
        known = train[PreprocessedSchema.target_column()]
        if not PreprocessedSchema.predicts_number():
            known = known.astype(pd.CategoricalDtype(PreprocessedSchema.target_classes()))
        columns[ESTIMATOR.predicted] = shift.describe_column(known, predicted)
        figures, fitted = ESTIMATOR.fit(model, tested, matched, truth, known)
        return Reference(rows=len(test), figures=figures, estimator=fitted, columns=columns)


def count_rows(
    model: Booster, features: pd.DataFrame, prediction: DataFrame[PredictionSchema], reference: Reference
) -> RowCounts:
    """Count new rows as the reference counts the test rows, by the features as the model sees them."""
    expected, variances = ESTIMATOR.expect(model, features, prediction, reference["estimator"])
    values = {**features, ESTIMATOR.predicted: prediction[PredictionSchema.target_column()]}
    columns = {name: shift.count_values(values[name], known).tolist() for name, known in reference["columns"].items()}
    total, variance = float(expected.sum()), float(variances.sum())
    return RowCounts(rows=len(prediction), expected=total, variance=variance, columns=columns)


def measure_shift(chunks: list[RowCounts], reference: Reference) -> Shift | None:
    """Compare the new rows of all chunks with the test rows; None if there are no new rows."""
    rows, known = sum(chunk["rows"] for chunk in chunks), reference["columns"]
    if not rows:
        return None
    expected, variance = (sum(chunk[name] for chunk in chunks) for name in ("expected", "variance"))
    mean, low, high = shift.bound_mean(expected, variance, rows, reference["estimator"]["variance"])
    estimated = {ESTIMATOR.figure: mean, "low": low, "high": min(high, ESTIMATOR.most)}
    counts = {name: np.sum([chunk["columns"][name] for chunk in chunks], axis=0).tolist() for name in known}
    measured = {"rows": rows, f"estimated_{ESTIMATOR.figure}": estimated, "columns": shift.compare(known, counts)}
    return cast("Shift", measured)


def get_estimate(shift: Shift | None) -> list[float] | None:
    """Return the estimated figure of new rows and its interval, if there is one."""
    estimate = cast("dict[str, Any]", shift or {}).get(f"estimated_{ESTIMATOR.figure}")
    return [*estimate.values()] if estimate else None
