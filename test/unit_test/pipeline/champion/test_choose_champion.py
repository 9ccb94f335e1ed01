from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.champion import choose_champion
from gokart_pipeline_sample.pipeline.champion.choose_champion import ChooseChampionTask, hash_preprocessing
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.base import GROUP
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.task_definition import TaskDefinition, define_task


class TestHashPreprocessing:
    @pytest.mark.parametrize(
        ("module", "is_same"),
        [("package.pipeline.preprocess", False), ("package.pipeline.schemas.feature", False), ("package.io.s3", True)],
    )
    def test_changes_with_the_code_that_turns_a_row_into_what_the_model_sees(
        self, module: str, is_same: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        modules = {"package.pipeline.preprocess": "1", "package.pipeline.schemas.feature": "2", "package.io.s3": "3"}

        def hash_code(modules: dict[str, str]) -> str:
            monkeypatch.setattr(choose_champion, "define_task", lambda _: TaskDefinition(modules, {}))
            return hash_preprocessing()

        assert hash_code(dict(reversed(modules.items()))) == hash_code(modules)
        assert (hash_code({**modules, module: "changed"}) == hash_code(modules)) is is_same

    def test_is_of_code_that_the_project_has(self) -> None:
        assert hash_preprocessing() == hash_preprocessing()
        modules = define_task(PreprocessTask).modules | define_task(PredTask).modules
        assert {name.rpartition(".")[2] for name in modules} >= {"preprocess", "pred", "model_input", "iris_feature"}


class GroupedSchema(PreprocessedSchema):
    flower: Series[int] | None = pa.Field(metadata=GROUP)


def test_models_are_compared_by_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each group gains or loses as a whole: the interval is that of so many groups as there are, not of rows."""
    gained = np.repeat(np.random.default_rng(0).random(40) < 0.5, 10)
    test = pd.DataFrame({"id": range(400), "target": 1, "flower": np.repeat(range(40), 10)})
    new, old = (
        pd.DataFrame({"id": range(400), "pred": right.astype(int), "probability_0": ~right, "probability_1": right})
        .assign(probability_2=0.0)
        .astype({"probability_0": float, "probability_1": float})
        for right in (gained, ~gained)
    )
    task: Any = SimpleNamespace(
        model_task=SimpleNamespace(make_unique_id=lambda: "new"), pred_task=None, load=lambda _: new, compare="accuracy"
    )
    task.margin = 1.0
    widths = []
    for schema in (PreprocessedSchema, GroupedSchema):
        monkeypatch.setattr(choose_champion, "PreprocessedSchema", schema)
        decision = ChooseChampionTask._compare(task, {"task": "old"}, test, old)  # type: ignore[arg-type, typeddict-item]
        low, high = map(float, re.findall(r"interval ([+-][\d.]+) to ([+-][\d.]+)", decision)[0])
        widths.append(high - low)
    assert widths[1] / widths[0] == pytest.approx(10**0.5, rel=0.1)
