from __future__ import annotations

import os
import shutil
import stat
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import psutil
import pytest

from gokart_pipeline_sample.io import compiled_model
from gokart_pipeline_sample.io.compiled_model import FastModel, get_default_folder
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor

ROWS = 3_000


def make_features(rows: int = ROWS) -> pd.DataFrame:
    generator = np.random.default_rng(0)
    number = generator.normal(size=rows)
    return pd.DataFrame(
        {
            "number": number,
            "with zeros": np.where(number > 0.3, 0.0, generator.normal(size=rows)),
            "with gaps": np.where(generator.random(rows) < 0.2, np.nan, generator.normal(size=rows)),
            "whole": generator.integers(-5, 5, rows),
            "flag": generator.random(rows) < 0.3,
            "kind": pd.Categorical(generator.choice([*"abcdefghijkl"], rows), categories=[*"abcdefghijkl"]),
        }
    )


def train(classes: int = 3, rounds: int = 8, **parameters: Any) -> Booster:
    data = make_features()
    noise = np.random.default_rng(1).normal(size=len(data))
    score = data["number"].fillna(0) + 0.5 * data["with gaps"].fillna(2) + data["kind"].cat.codes / 4 + noise / 4
    target = pd.qcut(score, classes, labels=False)
    few = {"objective": "multiclass", "num_class": classes, "num_leaves": 15, "min_cat_smooth": 1, "verbosity": -1}
    booster = lightgbm.train({**few, **parameters}, lightgbm.Dataset(data, label=target), rounds)
    processor = LightGBMModelProcessor()
    return processor.deserialize(processor.serialize(booster))


@pytest.fixture(scope="module")
def booster() -> Booster:
    return train()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache") / "compiled"


@pytest.fixture(scope="module")
def made(booster: Booster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the library of that model alone."""
    made = tmp_path_factory.mktemp("cache") / "compiled"
    FastModel(booster, 1, made)
    return made


@pytest.fixture
def own(made: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return Path(shutil.copytree(made, tmp_path / "own"))


def same(model: Booster, folder: Path, features: pd.DataFrame) -> bool:
    expected = np.asarray(model.predict(features))
    all_found = [FastModel(model, 2, place).predict(features) for place in (None, folder)]
    return all(found.shape == expected.shape and found.tobytes() == expected.tobytes() for found in all_found)


class TestPrediction:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"classes": 2},
            {"zero_as_missing": True},
            *(
                pytest.param(other, marks=pytest.mark.long)
                for other in (
                    {"classes": 20, "rounds": 3},
                    {"num_leaves": 400, "min_data_in_leaf": 1, "rounds": 3},
                    {"use_missing": False},
                    {"max_cat_to_onehot": 20},
                    {"boosting": "dart"},
                )
            ),
        ],
    )
    def test_is_that_of_lightgbm(self, parameters: dict[str, Any], folder: Path) -> None:
        assert same(train(**parameters), folder, make_features(5_000))

    def test_of_categories_and_values_that_the_model_does_not_know(self, booster: Booster, folder: Path) -> None:
        features = make_features(500)
        features["kind"] = pd.Categorical(["z", None, "a", "b", "ü"] * 100)
        features["number"] = [np.nan, np.inf, -np.inf, 0.0, -0.0] * 100
        assert same(booster, folder, features)

    def test_of_a_single_row(self, booster: Booster, folder: Path) -> None:
        assert same(booster, folder, make_features()[:1])

    def test_of_rows_in_another_order(self, booster: Booster, folder: Path) -> None:
        assert same(booster, folder, make_features()[::-3])


class TestLibrary:
    def test_is_made_once(self, booster: Booster, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        FastModel(booster, 1, folder)
        monkeypatch.setenv("PATH", "/nowhere")
        assert same(booster, folder, make_features())
        assert not list(folder.glob("compiling-*"))

    def test_is_for_this_user_alone_whatever_the_umask_is(self, booster: Booster, tmp_path: Path) -> None:
        before = os.umask(0)
        try:
            FastModel(booster, 1, tmp_path / "own")
        finally:
            os.umask(before)
        paths = [tmp_path / "own", *(tmp_path / "own").iterdir()]
        assert {stat.S_IMODE(path.stat().st_mode) for path in paths} == {0o700}

    @pytest.mark.parametrize(
        "change", [lambda content: b"\0" + content[1:], pytest.param(lambda _: b"", marks=pytest.mark.long)]
    )
    def test_is_made_again_if_it_is_damaged(self, change: Any, booster: Booster, own: Path) -> None:
        (library,) = own.glob("*.so")
        library.write_bytes(change(library.read_bytes()))
        assert same(booster, own, make_features())

    def test_of_another_model_is_not_loaded(self, booster: Booster, tmp_path: Path) -> None:
        FastModel(train(2), 1, tmp_path / "own")
        (other,) = (tmp_path / "own").glob("*.so")
        FastModel(booster, 1, tmp_path / "own")
        (library,) = set((tmp_path / "own").glob("*.so")) - {other}
        library.unlink()
        other.rename(other.with_name(f"{library.name.split('-')[0]}-{other.name.split('-')[1]}"))
        with pytest.raises(RuntimeError, match="different model"):
            FastModel(booster, 1, tmp_path / "own")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_of_another_user_is_not_loaded(self, booster: Booster, own: Path) -> None:
        (library,) = own.glob("*.so")
        os.chown(library, 1234, 1234)
        with pytest.raises(PermissionError, match=r"\.so: others may have put it there: remove it"):
            FastModel(booster, 1, own)

    def test_in_a_folder_that_others_may_write_to_is_not_loaded(self, booster: Booster, tmp_path: Path) -> None:
        (tmp_path / "own").mkdir()
        (tmp_path / "own").chmod(0o770)
        with pytest.raises(PermissionError, match="others may have put it there"):
            FastModel(booster, 1, tmp_path / "own")

    def test_in_a_folder_that_is_a_link_is_not_loaded(self, booster: Booster, tmp_path: Path) -> None:
        (tmp_path / "own").symlink_to(tmp_path)
        with pytest.raises(PermissionError, match="others may have put it there"):
            FastModel(booster, 1, tmp_path / "own")

    def test_that_is_a_fifo_is_not_waited_for(self, booster: Booster, own: Path) -> None:
        (library,) = own.glob("*.so")
        library.unlink()
        os.mkfifo(library, 0o600)
        with pytest.raises(PermissionError, match="others may have put it there"):
            FastModel(booster, 1, own)

    def test_is_forgotten_when_many_others_are_newer(
        self, booster: Booster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(compiled_model, "_KEPT_LIBRARIES", 1)
        left = tmp_path / "own" / "compiling-by-a-run-that-was-killed"
        left.mkdir(parents=True, mode=0o700)
        os.utime(left, (0, 0))
        (tmp_path / "own").chmod(0o700)
        FastModel(train(2), 1, tmp_path / "own")
        (older,) = (tmp_path / "own").iterdir()
        os.utime(older, (1, 1))
        FastModel(booster, 1, tmp_path / "own")
        assert older not in (tmp_path / "own").iterdir()
        assert len(list((tmp_path / "own").iterdir())) == 1


class TestFailure:
    def test_without_a_compiler(self, booster: Booster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PATH", "/nowhere")
        with pytest.raises(RuntimeError, match="compiler"):
            FastModel(booster, 1, tmp_path / "own")
        assert not list((tmp_path / "own").iterdir())

    def test_of_a_compiler_that_takes_too_long(
        self, booster: Booster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        compiler = tmp_path / "cc"
        compiler.write_text("#!/bin/sh\nexec sleep 100\n")
        compiler.chmod(0o700)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        monkeypatch.setattr(compiled_model, "_COMPILE_SECONDS", 1)
        with pytest.raises(RuntimeError, match="compiling takes more than 1 s"):
            FastModel(booster, 1, tmp_path / "own")
        assert not list((tmp_path / "own").iterdir())
        used = [
            process for process in psutil.process_iter(["cmdline"]) if str(compiler) in (process.info["cmdline"] or [])
        ]
        assert not used

    def test_says_what_the_compiler_said_and_the_run_does_not(
        self, booster: Booster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
    ) -> None:
        program = tmp_path / "compile.py"
        program.write_text("print('out of registers'); raise SystemExit(3)")
        monkeypatch.setattr(compiled_model, "_COMPILER", program)
        with pytest.raises(RuntimeError, match="out of registers"):
            FastModel(booster, 1, tmp_path / "own")
        assert capfd.readouterr() == ("", "")

    def test_of_a_model_that_pylignum_does_not_know(self, tmp_path: Path) -> None:
        with pytest.raises((RuntimeError, ValueError), match="linear"):
            FastModel(train(linear_tree=True), 1, tmp_path / "own")

    def test_where_nothing_can_be_written(self, booster: Booster, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises((FileExistsError, NotADirectoryError)):
            FastModel(booster, 1, tmp_path / "file" / "own")

    def test_of_a_user_without_a_home(self, booster: Booster, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOME", "~")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        with pytest.raises(FileNotFoundError, match="this user has no home folder: set XDG_CACHE_HOME"):
            FastModel(booster, 1, get_default_folder(in_memory=False))


def test_the_folder_is_in_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert get_default_folder(in_memory=False).parent == tmp_path
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get_default_folder(in_memory=False).parent == tmp_path / ".cache"
    assert get_default_folder(in_memory=True).parent == Path("/dev/shm")  # noqa: S108 - it is not used
