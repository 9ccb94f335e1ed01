from __future__ import annotations

import pandas as pd
import pytest
from pandera.errors import SchemaError

from gokart_pipeline_sample.pipeline.schemas import OutputSchema


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
