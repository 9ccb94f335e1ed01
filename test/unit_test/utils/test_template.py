from __future__ import annotations

from pathlib import Path

import gokart
import luigi
import pandas as pd
import pytest
from gokart.task import TaskOnKart

from gokart_pipeline_sample.pipeline.gokart_util import GetDataTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.utils.template import GokartTask, ViewTask


def make_split() -> SplitDataTask:
    return SplitDataTask(data_task=PreprocessTask(data_task=LoadDataTask()))


class TestGokartTask:
    def test_has_the_namespace_of_the_project(self) -> None:
        assert LoadDataTask.get_task_family() == "gokart_pipeline_sample.LoadDataTask"

    def test_keeps_its_frame_as_parquet_under_its_unique_id(self) -> None:
        task = LoadDataTask()
        assert task.output().path().endswith(f"/LoadDataTask_{task.make_unique_id()}.parquet")

    def test_is_named_briefly(self) -> None:
        shown = "encoding=utf-8, delimiter=,, decimal=., table=, on_bad_row=fail, max_dropped_share=0.01"
        assert repr(LoadDataTask()) == f"LoadDataTask({shown})"
        assert (
            str(make_split())
            == "SplitDataTask(test_fraction=0.2, valid_fraction=0.2, random_state=42, split_by=random)"
        )

    def test_naming_a_task_does_not_build_the_chain_behind_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        task = GetDataTask(data_task=make_split(), name="train")
        calls: list[TaskOnKart] = []
        monkeypatch.setattr(TaskOnKart, "make_unique_id", lambda self: calls.append(self))
        repr(task)
        assert calls == []

    def test_its_identity_depends_on_parameters_before_it(self) -> None:
        train, other = (
            GetDataTask(
                data_task=SplitDataTask(data_task=PreprocessTask(data_task=LoadDataTask()), random_state=seed),
                name="train",
            )
            for seed in (42, 43)
        )
        assert train.make_unique_id() != other.make_unique_id()

    def test_writes_down_what_it_requires_as_ids(self) -> None:
        split = make_split()
        assert GetDataTask(data_task=split, name="train").to_str_params(only_significant=True) == {
            "data_task": split.task_id,
            "name": "train",
        }

    def test_a_diamond_is_written_down_once(self) -> None:
        class DiamondTask(GokartTask[int]):
            number: luigi.IntParameter = luigi.IntParameter()
            above: gokart.ListTaskInstanceParameter = gokart.ListTaskInstanceParameter(default=[])

            def requires(self) -> list[DiamondTask]:
                return list(self.above)

        layer, sizes = [DiamondTask(number=0), DiamondTask(number=1)], []
        for depth in range(1, 40):
            layer = [DiamondTask(number=2 * depth + side, above=layer) for side in (0, 1)]
            sizes.append(len(str(layer[0].to_str_params())))
        assert max(sizes[1:]) - min(sizes[1:]) < 5
        assert layer[0].make_unique_id() != layer[1].make_unique_id()
        other = DiamondTask(number=2 * 39, above=layer)
        assert layer[0].task_id != other.task_id

    def test_where_the_workspace_is_does_not_matter_to_its_identity(self) -> None:
        assert LoadDataTask(workspace_directory="/a").make_unique_id() == LoadDataTask().make_unique_id()

    def test_keeps_its_frame_on_s3_under_the_same_name(self) -> None:
        task = LoadDataTask(workspace_directory="s3://bucket//a/b/")
        assert task.output().path() == f"s3://bucket/a/b/LoadDataTask_{task.make_unique_id()}.parquet"
        assert task.output() is task.output()

    def test_keeps_nothing_on_s3_that_gokart_would_write_to_a_file_first(self) -> None:
        with pytest.raises(TypeError, match=r"x\.pkl cannot be kept in a workspace on S3: take a FormatProcessor"):
            LoadDataTask(workspace_directory="s3://bucket").make_target("x.pkl")

    def test_does_not_run_if_another_run_has_made_its_output(self, tmp_path: Path) -> None:
        runs: list[str] = []

        class Counting(GokartTask[pd.DataFrame]):
            def run(self) -> None:
                runs.append("ran")
                self.dump(pd.DataFrame({"id": [1]}))

        task = Counting(workspace_directory=str(tmp_path))
        task.run()
        task.run()
        assert runs == ["ran"]


class TestViewTask:
    def test_shows_what_it_requires(self) -> None:
        class View(ViewTask[pd.DataFrame]):
            def requires(self) -> GokartTask[pd.DataFrame]:
                return LoadDataTask()

        assert View().output().path() == LoadDataTask().output().path()
