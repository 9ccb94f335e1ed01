"""Split the rows."""

from __future__ import annotations

import gokart
import luigi
import pandera.pandas as pa
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask


class SplitDataTask(GokartTask[dict[str, DataFrame[PreprocessedSchema]]]):
    """Outputs three ``PreprocessedSchema`` frames with their target: ``train``, ``valid`` and ``test``."""

    data_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that outputs a PreprocessedSchema frame.")
    )
    test_fraction: luigi.FloatParameter = luigi.FloatParameter(
        default=0.2, description="Share of all rows for testing."
    )
    valid_fraction: luigi.FloatParameter = luigi.FloatParameter(
        default=0.2, description="Share of the other rows for early stopping."
    )
    random_state: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of the shuffling.")

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return a Parquet file for each of the three frames."""
        return {name: self.make_target(f"SplitDataTask_{name}.parquet") for name in ("train", "valid", "test")}

    def run(self) -> None:
        """Split the frame and save the parts."""
        parts = self.split(self.load(self.data_task), self.test_fraction, self.valid_fraction, self.random_state)
        for name, part in zip(("train", "valid", "test"), parts, strict=True):
            self.dump(part, name)

    @staticmethod
    @pa.check_types(lazy=True)
    def split(
        data: DataFrame[PreprocessedSchema], test_fraction: float, valid_fraction: float, random_state: int
    ) -> tuple[DataFrame[PreprocessedSchema], DataFrame[PreprocessedSchema], DataFrame[PreprocessedSchema]]:
        """Shuffle the rows and assign each to exactly one part.

        Args:
            data: rows with a target.
            test_fraction: share of the rows that become the test part, between 0 and 1.
            valid_fraction: share of the other rows that become the validation part, between 0 and 1.
            random_state: seed of the shuffling.

        Returns:
            The parts ``train``, ``valid`` and ``test``, each with a new index.

        Raises:
            pandera.errors.SchemaErrors: the frame breaks the schema, or its target is missing.
            ValueError: a fraction leaves a part without rows.
        """
        from sklearn.model_selection import train_test_split

        PreprocessedSchema.require_target(data)
        rest, test = train_test_split(data, test_size=test_fraction, random_state=random_state)
        train, valid = train_test_split(rest, test_size=valid_fraction, random_state=random_state)
        return train.reset_index(drop=True), valid.reset_index(drop=True), test.reset_index(drop=True)
