"""Predict rows."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_fitted, predict_probabilities
from gokart_pipeline_sample.pipeline.model.model_input import select_features
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask


class PredTask(GokartTask[DataFrame[PredictionSchema]]):
    """Outputs a ``PredictionSchema`` frame: the class of each row, and the probability of every class."""

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the model.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the rows to predict.")

    def run(self) -> None:
        """Predict the rows and save the predictions."""
        self.dump(self.predict(self.load(self.model_task), self.load(self.test_task)))

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def predict(model: Booster, data: DataFrame[PreprocessedSchema]) -> DataFrame[PredictionSchema]:
        """Predict each row, with or without a target, independently of the other rows; there may be none.

        Raises:
            pandera.errors.SchemaErrors: the rows or the predictions break their schema.
            lightgbm.basic.LightGBMError: the model was trained on a different number of features.
        """
        features = select_features(data, get_fitted(model))
        labelled = PredTask.label(predict_probabilities(model, features), data[PreprocessedSchema.id_column()])
        return cast("DataFrame[PredictionSchema]", labelled)

    @staticmethod
    def label(probabilities: npt.NDArray[np.float64], ids: pd.Series[Any]) -> pd.DataFrame:
        """Return id, most probable class and all probabilities (a matrix by row and class) of rows, unchecked."""
        classes = pd.Index(PreprocessedSchema.target_classes())
        labelled = {
            PredictionSchema.id_column(): ids,
            PredictionSchema.target_column(): classes[probabilities.argmax(axis=1)],
            **dict(zip(PredictionSchema.probability_columns(), probabilities.T, strict=True)),
        }
        return pd.DataFrame(labelled, index=ids.index, copy=False)
