"""Fit features on the training rows."""

from typing import Any

from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.fitted_features import FITTED_FEATURES
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.template import GokartTask


class FitFeaturesTask(GokartTask[dict[str, Any]]):
    """Outputs what ``FITTED_FEATURES`` knows of the training rows, as JSON; no other rows reach it."""

    file_name = "FitFeaturesTask.json"

    train_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the training rows.")

    def run(self) -> None:
        """Fit the features and save the result."""
        train = self.load(self.train_task)
        self.dump(FITTED_FEATURES.fit(train) if FITTED_FEATURES else {})
