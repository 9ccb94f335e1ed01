from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError

from gokart_pipeline_sample.pipeline.schemas import PredictionSchema


class TestPredictionSchema:
    @pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
    def test_refuses_what_is_no_probability(self, probability: float) -> None:
        with pytest.raises(SchemaError, match="probability_0"):
            PredictionSchema.validate(pd.DataFrame({"id": [1], "pred": [2], "probability_0": [probability]}))
