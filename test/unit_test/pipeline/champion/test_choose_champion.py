from __future__ import annotations

import pytest

from gokart_pipeline_sample.pipeline.champion import choose_champion
from gokart_pipeline_sample.pipeline.champion.choose_champion import hash_preprocessing
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
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
