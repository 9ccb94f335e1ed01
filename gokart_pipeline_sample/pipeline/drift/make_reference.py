"""Describe the test rows, which new rows are compared with."""

from typing import TypedDict

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_fitted
from gokart_pipeline_sample.pipeline.drift import shift
from gokart_pipeline_sample.pipeline.model.model_input import Rows, select_features
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema, match_by_id
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask

PREDICTED = "the predicted class"


class Reference(TypedDict):
    """The test rows, as far as new rows are compared with them."""

    rows: int
    accuracy: float
    calibration: shift.Calibration
    columns: dict[str, shift.Distribution]  # of the features, and of PREDICTED


class RowCounts(TypedDict):
    """Counts of new rows; those of several chunks can be added."""

    rows: int
    right: float  # sum of the calibrated probabilities of the predicted classes
    variance: float  # sum of p(1 - p) over them
    columns: dict[str, list[int]]


class Shift(TypedDict):
    """The shift of new rows."""

    rows: int
    estimated_accuracy: shift.EstimatedAccuracy
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
        predicted, truth = matched[PredictionSchema.target_column()], PreprocessedSchema.target_column()
        right = predicted.to_numpy() == test[truth].to_numpy()
        learned, tested = (select_features(rows, get_fitted(model)) for rows in (train, test))
        columns = {str(name): shift.describe_column(learned[name], tested[name]) for name in learned}
        classes = pd.CategoricalDtype(PreprocessedSchema.target_classes())
        columns[PREDICTED] = shift.describe_column(train[truth].astype(classes), predicted)
        calibrated = shift.fit_calibration(get_confidence(matched), right)
        return Reference(rows=len(test), accuracy=float(right.mean()), calibration=calibrated, columns=columns)


def get_confidence(prediction: pd.DataFrame) -> shift.Floats:
    """Return the probability of the predicted class, row by row."""
    return np.asarray(np.maximum.reduce([prediction[name] for name in PredictionSchema.probability_columns()]))


def count_rows(features: pd.DataFrame, prediction: DataFrame[PredictionSchema], reference: Reference) -> RowCounts:
    """Count new rows as the reference counts the test rows, by the features as the model sees them."""
    probable = shift.calibrate(get_confidence(prediction), reference["calibration"])
    values = {**features, PREDICTED: prediction[PredictionSchema.target_column()]}
    columns = {name: shift.count_values(values[name], known).tolist() for name, known in reference["columns"].items()}
    variance = float((probable * (1 - probable)).sum())
    return RowCounts(rows=len(prediction), right=float(probable.sum()), variance=variance, columns=columns)


def measure_shift(chunks: list[RowCounts], reference: Reference) -> Shift | None:
    """Compare the new rows of all chunks with the test rows; None if there are no new rows."""
    rows, known = sum(chunk["rows"] for chunk in chunks), reference["columns"]
    if not rows:
        return None
    right, variance = sum(chunk["right"] for chunk in chunks), sum(chunk["variance"] for chunk in chunks)
    estimated = shift.estimate_accuracy(rows, right, variance, reference["rows"], reference["accuracy"])
    counts = {name: np.sum([chunk["columns"][name] for chunk in chunks], axis=0).tolist() for name in known}
    return Shift(rows=rows, estimated_accuracy=estimated, columns=shift.compare(known, counts))


def find_alarms(shift: Shift | None, require_acc: float) -> list[str]:
    """Return a sentence for each column that has shifted, and for an accuracy that is estimated as too low."""
    if shift is None:
        return []
    alarms = [f"{name}: {alarm}" for name, column in shift["columns"].items() for alarm in column["alarms"]]
    accuracy, high = shift["estimated_accuracy"]["accuracy"], shift["estimated_accuracy"]["high"]
    text = f"the accuracy is estimated as {accuracy:.4f}, {high:.4f} at most, below the required {require_acc}"
    return [text, *alarms] if high < require_acc else alarms
