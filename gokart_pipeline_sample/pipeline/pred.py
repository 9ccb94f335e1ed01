"""Predict rows."""

from __future__ import annotations

from logging import getLogger
from typing import Any, cast

import luigi
import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import PredictionError
from gokart_pipeline_sample.io.compiled_model import FIRST_ROWS, Engine, choose_engines
from gokart_pipeline_sample.io.lightgbm_model import Booster, get_fitted, predict_probabilities
from gokart_pipeline_sample.io.threads import count_threads
from gokart_pipeline_sample.pipeline.model.model_input import select_features
from gokart_pipeline_sample.pipeline.model.reasons import add_reasons
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask

logger = getLogger(__name__)


class PredTask(GokartTask[DataFrame[PredictionSchema]]):
    """Outputs a ``PredictionSchema`` frame: the class of each row, the probability of every class, and reasons."""

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the model.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the rows to predict.")
    with_reasons: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=0, var_type=int, min_value=0, max_value=11, description="Features to name that contribute most, to 10."
    )

    def run(self) -> None:
        """Predict the rows and save the predictions."""
        self.dump(self.predict(self.load(self.model_task), self.load(self.test_task), self.with_reasons))

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def predict(model: Booster, data: DataFrame[PreprocessedSchema], reasons: int = 0) -> DataFrame[PredictionSchema]:
        """Predict each row, with or without a target, independently of the other rows; there may be none.

        Raises:
            pandera.errors.SchemaErrors: the rows or the predictions break their schema.
            lightgbm.basic.LightGBMError: the model was trained on a different number of features.
        """
        features = select_features(data, get_fitted(model))
        # LightGBM predicts the first rows in any case. The model is never compiled for these few.
        engines = choose_engines("auto", model, 0) if len(features) > FIRST_ROWS else ["lightgbm"]
        try:
            probabilities = Engine(model, engines, threads=count_threads()).predict(features, "")
        except PredictionError as error:
            logger.warning("%s: it predicts all rows", error)
            probabilities = predict_probabilities(model, features)
        labelled = PredTask.label(probabilities, data[PreprocessedSchema.id_column()])
        return cast("DataFrame[PredictionSchema]", add_reasons(labelled, model, features, reasons))

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
