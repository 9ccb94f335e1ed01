"""Read the table."""

from __future__ import annotations

from typing import cast

import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.tables import read_iris
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema
from gokart_pipeline_sample.utils.template import GokartTask


class LoadDataTask(GokartTask[DataFrame[IrisFeatureSchema]]):
    """Puts out the table to train on, an ``IrisFeatureSchema`` frame with its target: scikit-learn's iris."""

    def run(self) -> None:
        """Read, check and keep the table."""
        self.dump(self.check_labelled(cast("DataFrame[IrisFeatureSchema]", read_iris())))

    @staticmethod
    @pa.check_types(lazy=True)
    def check_labelled(data: DataFrame[IrisFeatureSchema]) -> DataFrame[IrisFeatureSchema]:
        """Let a table pass that one can train on.

        Args:
            data: the table as it was read.

        Returns:
            The same table.

        Raises:
            pandera.errors.SchemaErrors: the table breaks the schema, or its target is missing.
            ValueError: the table has no rows, or all of one class.
        """
        IrisFeatureSchema.require_target(data)
        classes = data[IrisFeatureSchema.target_column()].unique()
        if len(classes) < 2:
            raise ValueError(
                f"the table has {len(data)} rows of the classes {classes.tolist()}: give at least two classes"
            )
        return data
