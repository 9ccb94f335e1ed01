from __future__ import annotations

from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.run_middle import PrepareDataTask
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask


class TestGetDataTask:
    def test_is_a_view_of_one_output(self) -> None:
        split = SplitDataTask(data_task=PreprocessTask(data_task=LoadDataTask()))
        for name in ("train", "valid", "test"):
            assert GetDataTask(data_task=split, name=name).output().path() == split.output()[name].path()

    def test_sees_through_a_nested_chain(self) -> None:
        split = SplitDataTask(data_task=PreprocessTask(data_task=LoadDataTask()))
        nested = GetDataTask(data_task=PrepareDataTask(), name="test")
        assert nested.output().path() == split.output()["test"].path()
