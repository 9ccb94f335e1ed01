from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaErrors

from gokart_pipeline_sample.pipeline.load_data import LoadDataTask


class TestCheckLabelled:
    def test_lets_a_labelled_table_pass(self, flowers: pd.DataFrame) -> None:
        assert LoadDataTask.check_labelled(flowers).equals(flowers)

    def test_names_a_missing_target(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            LoadDataTask.check_labelled(flowers.drop(columns="target"))

    def test_names_every_breach_at_once(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            LoadDataTask.check_labelled(flowers.assign(sepal_width=-1.0).drop(columns="petal_width"))
        assert set(caught.value.failure_cases["column"]) == {"sepal_width", "IrisFeatureSchema"}
        assert "petal_width" in set(caught.value.failure_cases["failure_case"])
