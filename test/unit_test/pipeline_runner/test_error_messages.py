from __future__ import annotations

import pandas as pd
import pandera.pandas as pa
import pytest
from luigi.rpc import RPCError
from pandera.errors import SchemaErrors
from pandera.typing import Series

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.base import ID, BaseSchema
from pipeline_runner.error_messages import describe


class TestDescribe:
    def test_names_columns_checks_rows_and_ids(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            PreprocessTask.add_area_feature(
                flowers.assign(petal_length=[-1.0, 1.0], sepal_width=[0.0, -1.0]).drop(columns="petal_width")
            )
        assert describe(caught.value) == (
            "the frame breaks IrisFeatureSchema: the column petal_width is missing; "
            "sepal_width breaks greater_than(0) in 2 rows, the first of them with id [7, 3]; "
            "petal_length breaks greater_than(0) in 1 rows, the first of them with id [7]"
        )

    def test_shows_a_few_ids_of_many(self, iris: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            PreprocessTask.add_area_feature(iris.assign(petal_width=-1.0))
        assert describe(caught.value).endswith("in 150 rows, the first of them with id [0, 1, 2, 3, 4]")

    def test_finds_the_ids_whatever_the_index_is(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            PreprocessTask.add_area_feature(flowers.assign(petal_width=[1.0, -1.0]).set_index(pd.Index([5, 5])))
        assert "with id" in describe(caught.value)

    def test_finds_the_id_whatever_else_its_field_says(self) -> None:
        class Schema(BaseSchema):
            key: Series[str] = pa.Field(metadata={**ID, "unit": "none"})
            length: Series[float] = pa.Field(gt=0)

        with pytest.raises(SchemaErrors) as caught:
            Schema.validate(pd.DataFrame({"key": ["a", "b"], "length": [1.0, -1.0]}), lazy=True)
        assert describe(caught.value).endswith("in 1 rows, the first of them with key ['b']")

    def test_gives_the_message_of_an_error_of_this_project(self) -> None:
        assert describe(AccuracyTooLowError("too low")) == "too low"

    def test_gives_the_type_of_another_error_and_its_cause(self) -> None:
        error = ValueError("no\n  good")
        error.__cause__ = KeyError("bucket")
        assert describe(error) == "ValueError: no good (KeyError: 'bucket')"

    def test_leaves_out_the_arguments_of_a_task(self) -> None:
        assert describe(ValueError("SomeTask[args=(), kwargs={'a': 1}]: wrong")) == "ValueError: SomeTask: wrong"

    def test_says_what_to_do_without_a_scheduler(self) -> None:
        assert "add --local-scheduler" in describe(RPCError("no"))
