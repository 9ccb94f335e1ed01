"""Predict rows."""

from __future__ import annotations

from logging import getLogger
from typing import Any, cast

import luigi
import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import PredictionError
from gokart_pipeline_sample.io.compiled_model import FIRST_ROWS, Engine, choose_engines
from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept, predict_contributions, predict_raw
from gokart_pipeline_sample.io.threads import count_threads
from gokart_pipeline_sample.pipeline.model.decision import ARGMAX, DecisionParameter
from gokart_pipeline_sample.pipeline.model.model_input import encode_target, select_features
from gokart_pipeline_sample.pipeline.model.target import TARGET
from gokart_pipeline_sample.pipeline.schemas.output import INTERVAL, PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask

logger = getLogger(__name__)


class PredTask(GokartTask[DataFrame[PredictionSchema]]):
    """Outputs a ``PredictionSchema`` frame: the class of each row and the probability of every class, or a number."""

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the model.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the rows to predict.")
    decision: luigi.Parameter[str] = DecisionParameter(
        default=ARGMAX, description="argmax, CLASS>=0.2, CLASS:recall>=0.9, CLASS:precision>=0.8 or CLASS:f1."
    )
    with_reasons: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=0, var_type=int, min_value=0, max_value=11, description="Features to name that contribute most, to 10."
    )

    def run(self) -> None:
        """Predict the rows and save the predictions; raise a ValueError if the model has another decision."""
        model = self.load(self.model_task)
        if (found := get_kept(model, "decision").get("text", ARGMAX)) != self.decision:
            raise ValueError(f"the model was trained to decide by {found}, not by {self.decision}: give both the same")
        self.dump(self.predict(model, self.load(self.test_task), self.with_reasons))

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def predict(model: Booster, data: DataFrame[PreprocessedSchema], reasons: int = 0) -> DataFrame[PredictionSchema]:
        """Predict each row, with or without a target, independently of the other rows; there may be none.

        A model that was trained on a different number of features is a LightGBMError.
        """
        features = select_features(data, get_kept(model, "fitted_features"))
        # LightGBM predicts the first rows in any case. The model is never compiled for these few.
        engines = choose_engines("auto", model, 0) if len(features) > FIRST_ROWS else ["lightgbm"]
        try:
            raw = Engine(model, engines, threads=count_threads()).predict(features, "")
        except PredictionError as error:
            logger.warning("%s: it predicts all rows", error)
            raw = predict_raw(model, features)
        labelled = PredTask.label(raw, data[PreprocessedSchema.id_column()], model, features, reasons)
        return cast("DataFrame[PredictionSchema]", labelled)

    @staticmethod
    def label(
        raw: Any, ids: pd.Series[Any], model: Booster, features: pd.DataFrame, reasons: int, threads: int = 0
    ) -> pd.DataFrame:
        """Return the columns of a ``PredictionSchema``, unchecked, of the model's output for each row."""
        predicted, others = TARGET.label(raw, model)
        names = PredictionSchema.probability_columns() or INTERVAL
        columns = {PredictionSchema.id_column(): ids, PredictionSchema.target_column(): predicted}
        columns |= dict(zip(names, others, strict=False))
        labelled = pd.DataFrame(columns, index=ids.index, copy=False)
        if not reasons:
            return labelled
        contributions = predict_contributions(model, features, encode_target(PredictionSchema, labelled), threads)
        return labelled.assign(**name_reasons(contributions[:, :-1], features.columns, reasons))


def name_reasons(contributions: Any, names: pd.Index[str], count: int) -> dict[str, Any]:
    """Return so many columns ``reason_1`` and so on of text such as ``petal_length +1.23``, or one for each feature.

    The greatest contributions, by row and feature, come first, whatever their sign; equal ones in the order of names.
    """
    order = np.argsort(-np.abs(contributions), axis=1, kind="stable")[:, :count].T
    pairs = (zip(names[place], contributions[np.arange(len(place)), place] + 0.0, strict=True) for place in order)
    texts = (pd.array([f"{name} {value:+.3g}" for name, value in each], dtype="str") for each in pairs)
    return {f"reason_{number}": column for number, column in enumerate(texts, 1)}
