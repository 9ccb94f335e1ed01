from __future__ import annotations

import importlib
import os
import py_compile
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gokart_pipeline_sample.errors import PipelineError
from gokart_pipeline_sample.utils import task_definition
from gokart_pipeline_sample.utils.task_definition import define_task, note_sources

TASK = '''
"""A task."""

import lightgbm

from some_project.helpers import double
from some_project.tables.one import Table


class SomeTask:
    """Doubles."""

    def run(self):
        """Run."""
        from .late import LATE
        # A comment.
        return double(LATE), Table
'''
HELPERS = """
from statistics import mean as average
from some_project import constants
from some_project.wrapping import *


@wrapped
def double(x):
    return constants.TWO * x
"""
SOURCES = {
    "__init__": "",
    "task": TASK,
    "helpers": HELPERS,
    "wrapping": "def wrapped(function):\n    return lambda *x: function(*x)\n",
    "constants": 'TWO = 2\n"""Two."""\n',
    "late": "LATE = 1\n",
    "tables/__init__": "from some_project.tables.one import Table\nfrom some_project.tables.other import OtherTable\n",
    "tables/one": "class Table:\n    column: int\n",
    "tables/other": "class OtherTable:\n    column: int\n",
    "unused": "X = 1\n",
}

Define = Callable[..., str]


def import_again() -> types.ModuleType:
    """Import the task as another process would."""
    for module in [name for name in sys.modules if name.partition(".")[0] == "some_project"]:
        del sys.modules[module]
    for module in [name for name in task_definition._sources if name.partition(".")[0] == "some_project"]:
        del task_definition._sources[module]
    define_task.cache_clear()
    task_definition._analyse.cache_clear()
    importlib.invalidate_caches()
    return importlib.import_module("some_project.task")


@pytest.fixture
def define(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Define]:
    """Write the modules down, some of them changed, and serialize the task."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write_and_serialize(**changes: tuple[str, str]) -> str:
        for name, source in SOURCES.items():
            path = tmp_path / "some_project" / f"{name}.py"
            path.parent.mkdir(parents=True, exist_ok=True)
            old, new = changes.get(name.replace("/", "_"), ("", ""))
            assert old in source
            path.write_text(source.replace(old, new))
        return define_task(import_again().SomeTask).serialize()

    yield write_and_serialize
    for module in [name for name in sys.modules if name.partition(".")[0] == "some_project"]:
        del sys.modules[module]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"task": ("double(LATE)", "double(2 * LATE)")}, id="the task"),
        pytest.param({"helpers": ("constants.TWO * x", "x * constants.TWO")}, id="a helper"),
        pytest.param({"helpers": ("mean as", "median as")}, id="what a helper imports from elsewhere"),
        pytest.param({"wrapping": ("*x: function", "*x: 2 * function")}, id="the wrapper of a helper, imported by *"),
        pytest.param({"constants": ("TWO = 2", "TWO = 3")}, id="a constant of a helper"),
        pytest.param({"late": ("1", "2")}, id="what is imported in a function, relatively"),
        pytest.param({"tables_one": ("int", "float")}, id="the module of a package"),
    ],
)
def test_code_that_the_task_computes_with_counts(define: Define, change: dict[str, tuple[str, str]]) -> None:
    assert define(**change) != define()


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"task": ("# A comment.", "# Another comment.")}, id="comment"),
        pytest.param({"task": ('"""Doubles."""', '"""Makes twice as much."""')}, id="docstring"),
        pytest.param({"task": ('    """Doubles."""\n', "")}, id="no docstring"),
        pytest.param({"constants": ('"""Two."""', '"""The number two."""')}, id="docstring of a constant"),
        pytest.param(
            {"task": ("return double(LATE), Table", "return (double(LATE),\n            Table)")}, id="layout"
        ),
        pytest.param({"tables_other": ("int", "float")}, id="another table of the package"),
        pytest.param({"unused": ("1", "2")}, id="a module that the task does not import"),
    ],
)
def test_nothing_else_counts(define: Define, change: dict[str, tuple[str, str]]) -> None:
    assert define(**change) == define()


def test_versions_of_the_libraries_that_compute_count(define: Define, monkeypatch: pytest.MonkeyPatch) -> None:
    before = define()
    monkeypatch.setattr(task_definition, "get_version", lambda name: "99.0" if name == "lightgbm" else "1.0")
    monkeypatch.setattr(importlib.import_module("lightgbm"), "__version__", "99.0")
    assert define() != before
    assert "lightgbm==99.0" in define()
    assert "scikit-learn" not in define()


def test_what_is_typed_at_a_prompt_has_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    class Typed:
        __module__ = "__main__"

    monkeypatch.setitem(sys.modules, "__main__", types.ModuleType("__main__"))
    assert define_task(Typed).serialize() == ""


def test_a_module_without_source_says_what_to_do(define: Define, tmp_path: Path) -> None:
    define()
    helpers = tmp_path / "some_project" / "helpers.py"
    py_compile.compile(str(helpers), str(helpers.with_suffix(".pyc")))
    helpers.unlink()
    with pytest.raises(OSError, match=r"no source of some_project\.helpers: set serialized_task_definition_check"):
        define_task(import_again().SomeTask)


class TestCodeThatChangesAfterItsImport:
    """The code that runs is not that of the file."""

    @pytest.fixture
    def change(self, define: Define, tmp_path: Path) -> Callable[[str], type]:
        """Import a task, and deploy another module, of the same length, with the same time of modification."""
        define()
        task: type = import_again().SomeTask
        note_sources("some_project")

        def change(name: str) -> type:
            path = tmp_path / "some_project" / name
            state = path.stat()
            (tmp_path / "deployed").write_text(
                path.read_text().replace("2", "3").replace("double(LATE)", "double(LITE)")
            )
            os.utime(tmp_path / "deployed", ns=(state.st_atime_ns, state.st_mtime_ns))
            (tmp_path / "deployed").replace(path)
            return task

        return change

    @pytest.mark.parametrize("name", ["constants", "task"])
    def test_is_refused(self, change: Callable[[str], type], name: str) -> None:
        task = change(f"{name}.py")
        with pytest.raises(PipelineError, match=f"some_project.{name} has changed since it was imported: run again, "):
            define_task(task)

    def test_is_refused_after_a_reload_of_a_part(self, change: Callable[[str], type]) -> None:
        task = change("constants.py")
        importlib.reload(importlib.import_module("some_project.constants"))
        with pytest.raises(PipelineError, match="has changed since it was imported: run again, or restart the kernel"):
            define_task(task)

    def test_does_not_matter_where_the_task_does_not_use_it(self, change: Callable[[str], type]) -> None:
        assert define_task(change("unused.py"))

    def test_is_noted_when_a_task_is_made(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.syspath_prepend(tmp_path)
        path = tmp_path / "some_tasks.py"
        path.write_text(
            "from gokart_pipeline_sample.utils.template import GokartTask\nclass A(GokartTask[int]): x = 1\n"
        )
        task = importlib.import_module("some_tasks").A
        path.write_text(path.read_text().replace("1", "2"))
        with pytest.raises(PipelineError, match="some_tasks has changed since it was imported"):
            define_task(task)


@pytest.mark.parametrize(("name", "library"), [("lightgbm", "lightgbm"), ("sklearn", "scikit-learn")])
def test_a_library_that_was_replaced_since_its_import_is_refused(
    define: Define, monkeypatch: pytest.MonkeyPatch, name: str, library: str
) -> None:
    define(task=("import lightgbm", f"import {name}"))
    importlib.import_module(name)
    monkeypatch.setattr(task_definition, "get_version", lambda _: "99.0")
    define_task.cache_clear()
    with pytest.raises(PipelineError, match=f"{library} has been replaced since it was imported: run again, "):
        define_task(importlib.import_module("some_project.task").SomeTask)
