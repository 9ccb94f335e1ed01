from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from gokart_pipeline_sample.pipeline.schemas import PredictionSchema


class TestPredictionSchema:
    @pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
    def test_refuses_what_is_no_probability(self, probability: float) -> None:
        with pytest.raises(SchemaError, match="probability_0"):
            PredictionSchema.validate(pd.DataFrame({"id": [1], "pred": [2], "probability_0": [probability]}))

    def test_takes_certainties(self) -> None:
        frame = pd.DataFrame({"id": [1], "pred": [2], "probability_0": [0.0], "probability_1": [1.0]})
        assert PredictionSchema.validate(frame).equals(frame)

    def test_refuses_other_columns(self) -> None:
        with pytest.raises(SchemaErrors, match="note"):
            PredictionSchema.validate(pd.DataFrame({"id": [1], "pred": [2], "probability_0": [0.5], "note": ["x"]}))

    def test_names_the_probabilities_in_the_order_of_the_classes(self) -> None:
        assert PredictionSchema.probability_columns() == ["probability_0", "probability_1", "probability_2"]
