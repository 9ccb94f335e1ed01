"""The chain that prepares the data, as one task."""

from __future__ import annotations

from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.utils.template import ViewTask


class PrepareDataTask(ViewTask[dict[str, DataFrame[PreprocessedSchema]]]):
    """Puts out the frames ``train``, ``valid`` and ``test`` of ``SplitDataTask``: load, preprocess, split."""

    def requires(self) -> SplitDataTask:
        """Wire the tasks."""
        loaded = LoadDataTask()
        preprocessed = PreprocessTask(data_task=loaded)
        return SplitDataTask(data_task=preprocessed)
