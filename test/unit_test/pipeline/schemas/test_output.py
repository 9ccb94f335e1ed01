from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError, SchemaErrors

from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema, PredictionSchema


class TestOutputSchema:
    def test_passes_other_columns_on(self) -> None:
        prediction = pd.DataFrame({"id": [1], "pred": [2], "name": ["a"]})
        assert OutputSchema.validate(prediction).equals(prediction)

    @pytest.mark.parametrize("column", [{"pred": [3]}, {"pred": [None]}, {"id": [None]}])
    def test_refuses_what_is_no_prediction(self, column: dict[str, list[object]]) -> None:
        with pytest.raises(SchemaError):
            OutputSchema.validate(pd.DataFrame({"id": [1], "pred": [2], **column}))

    def test_names_its_columns(self) -> None:
        assert list(OutputSchema.to_schema().columns) == ["id", "pred"]
        assert (OutputSchema.id_column(), OutputSchema.target_column()) == ("id", "pred")

    def test_takes_each_id_once(self) -> None:
        with pytest.raises(SchemaError, match="id"):
            OutputSchema.validate(pd.DataFrame({"id": [1, 1], "pred": [2, 0]}))


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
