from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from gokart_pipeline_sample.errors import PredictionError
from gokart_pipeline_sample.io import compiled_model
from gokart_pipeline_sample.io.compiled_model import Engine, FastModel, choose_engines
from gokart_pipeline_sample.io.lightgbm_model import Booster


@pytest.fixture
def features(model: Booster, preprocessed: pd.DataFrame) -> pd.DataFrame:
    return preprocessed[model.feature_name()]


class Compiled:
    """Predicts as LightGBM does, except for one bit of a row of some chunk."""

    def __init__(self, model: Booster, wrong_chunk: int = -1, wrong_row: int = 0) -> None:
        self.model, self.wrong_chunk, self.wrong_row, self.chunks = model, wrong_chunk, wrong_row, 0

    def predict(self, features: pd.DataFrame) -> Any:
        values = np.asarray(self.model.predict(features))
        if self.chunks == self.wrong_chunk:
            values[self.wrong_row, 1] = np.nextafter(values[self.wrong_row, 1], 1)
        self.chunks += 1
        return values


@pytest.fixture
def use(model: Booster, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Engine]:
    """Makes an engine with a compiled model that has already been made."""

    def make(*arguments: int) -> Engine:
        compiled = Compiled(model, *arguments)
        monkeypatch.setattr(compiled_model, "FastModel", lambda *_: compiled)
        return Engine(model, ["compiled", "lightgbm"], tmp_path)

    return make


def test_predicts_as_lightgbm_with_and_without_a_compiled_model(
    model: Booster, features: pd.DataFrame, tmp_path: Path
) -> None:
    expected = np.asarray(model.predict(features)).tobytes()
    compiled = Engine(model, ["compiled", "lightgbm"], tmp_path / "compiled")
    for engine in (Engine(model), Engine(model, ["interpreted", "lightgbm"])):
        assert engine.predict(features, "a").tobytes() == expected
        assert engine.predict(features, "b").tobytes() == expected
    assert compiled.predict(features, "a").tobytes() == expected
    assert compiled.predict(features, "b").tobytes() == expected
    assert list((tmp_path / "compiled").glob("*.so"))


def test_predicts_no_rows(model: Booster, features: pd.DataFrame, use: Callable[..., Engine]) -> None:
    assert Engine(model).predict(features[:0], "a").shape == (0, 3)
    assert use().predict(features[:0], "a").shape == (0, 3)


@pytest.mark.parametrize("row", [0, 77, 149])
def test_one_wrong_bit_in_the_first_chunk_is_found(
    row: int, features: pd.DataFrame, use: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_model, "SAMPLE_ROWS", 1)
    with pytest.raises(PredictionError, match="the compiled model does not predict what LightGBM predicts"):
        use(0, row).predict(features, "a")


def test_the_sample_of_a_later_chunk_is_compared(
    features: pd.DataFrame, use: Callable[..., Engine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled_model, "SAMPLE_ROWS", 15)
    found = 0
    for row in range(len(features)):
        engine = use(1, row)
        engine.predict(features, "a")
        try:
            engine.predict(features, "b")
        except PredictionError:
            found += 1
    assert found == 15


def test_a_chunk_without_rows_is_not_the_first_one(features: pd.DataFrame, use: Callable[..., Engine]) -> None:
    engine = use(0, 3)
    engine.predict(features[:0], "a")
    with pytest.raises(PredictionError):
        engine.predict(features, "b")


def test_lightgbm_predicts_if_the_model_cannot_be_compiled(
    model: Booster,
    features: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("there is no compiler")

    monkeypatch.setattr(compiled_model, "FastModel", fail)
    engine = Engine(model, ["compiled", "lightgbm"], tmp_path)
    for chunk in ("a", "b"):
        assert engine.predict(features, chunk).tobytes() == np.asarray(model.predict(features)).tobytes()
    assert caplog.messages == ["LightGBM predicts, the model cannot be compiled: there is no compiler"]


def test_the_interpreter_predicts_if_auto_has_chosen_a_compiler_that_fails(
    model: Booster,
    features: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "cc").chmod(0o700)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    used: list[FastModel] = []
    predict = FastModel.predict
    monkeypatch.setattr(FastModel, "predict", lambda fast, rows: (used.append(fast), predict(fast, rows))[1])
    engine = Engine(model, choose_engines("auto", model, 100_000_000), tmp_path / "compiled")
    for chunk in ("a", "b"):
        assert engine.predict(features, chunk).tobytes() == np.asarray(model.predict(features)).tobytes()
    assert len(used) == 2
    (line,) = caplog.messages
    assert line.startswith("pylignum's interpreter predicts, the model cannot be compiled: ")


def test_a_copy_in_another_process_compares_its_first_chunk(features: pd.DataFrame, use: Callable[..., Engine]) -> None:
    engine = use()
    engine.predict(features, "a")
    copy = pickle.loads(pickle.dumps(engine))  # noqa: S301 - it was made here
    use(0)
    with pytest.raises(PredictionError):
        copy.predict(features, "a")


class TestChooseEngine:
    @pytest.fixture(autouse=True)
    def compiler(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        (tmp_path / "cc").touch(mode=0o700)
        monkeypatch.setenv("PATH", str(tmp_path))
        return tmp_path / "cc"

    def test_only_large_tables_are_worth_a_compilation(self, model: Booster) -> None:
        assert choose_engines("auto", model, 1_000) == ["interpreted", "lightgbm"]
        assert choose_engines("auto", model, 100_000_000) == ["compiled", "interpreted", "lightgbm"]

    def test_interprets_without_a_compiler(self, model: Booster, compiler: Path) -> None:
        compiler.unlink()
        assert choose_engines("auto", model, 100_000_000) == ["interpreted", "lightgbm"]

    def test_takes_lightgbm_without_the_extra(self, model: Booster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(compiled_model, "find_spec", lambda _: None)
        assert choose_engines("auto", model, 100_000_000) == ["lightgbm"]

    @pytest.mark.parametrize("engine", ["lightgbm", "interpreted", "compiled"])
    def test_takes_what_is_asked_for(self, model: Booster, engine: str) -> None:
        assert choose_engines(engine, model, 1)[0] == engine
