"""The code of a task as an input of the task, without its comments, docstrings and layout."""

import ast
import contextlib
import functools
import hashlib
import inspect
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any, NamedTuple

from gokart_pipeline_sample.errors import PipelineError

# Libraries whose new versions may change results. Import name: distribution name.
_COMPUTING_LIBRARIES = {"lightgbm": "lightgbm", "pandas": "pandas", "scipy": "scipy", "sklearn": "scikit-learn"}

# Reading a version takes a millisecond.
get_version = functools.cache(version)
_sources: dict[str, bytes] = {}  # of modules, noted when they were imported


class TaskDefinition(NamedTuple):
    """The code of the modules and the versions of the libraries that a task uses, by name."""

    modules: dict[str, str]
    libraries: dict[str, str]

    def serialize(self) -> str:
        """Return a string that changes if and only if the task has to run again."""
        return "\n".join([*self.modules.values(), *(f"{name}=={version}" for name, version in self.libraries.items())])


@functools.cache
def define_task(task_class: type) -> TaskDefinition:
    """Collect the code of a task, of its helpers and schemas, and the versions of the libraries that they use.

    The modules are those of the class and its bases and what they import within their packages, also in functions. The
    ``__init__`` of a package counts only if a name is imported from it. Comments, docstrings and layout do not count.
    A module without source raises an OSError.
    """
    modules, codes = {base.__module__ for base in task_class.__mro__}, dict[str, str]()
    packages = {_package(task_class.__module__), _package(__name__)}
    while pending := {module for module in modules if _package(module) in packages} - codes.keys():
        for module in pending:
            source = _read(module)
            if _sources.setdefault(module, source) != source:
                raise PipelineError(f"{module} has changed since it was imported: run again, or restart the kernel")
            codes[module], imported = _analyse(module, source)
            modules |= imported
    libraries = {name for library, name in _COMPUTING_LIBRARIES.items() if library in map(_package, modules)}
    for name, library in _COMPUTING_LIBRARIES.items():
        if library in libraries and name in sys.modules and import_module(name).__version__ != get_version(library):
            raise PipelineError(f"{library} has been replaced since it was imported: run again, or restart the kernel")
    return TaskDefinition(dict(sorted(codes.items())), {name: get_version(name) for name in sorted(libraries)})


def note_sources(package: str) -> None:
    """Note the sources of the modules of a package that are imported by now: their files may change meanwhile."""
    for name in [name for name in sys.modules if _package(name) == package and name not in _sources]:
        with contextlib.suppress(OSError):
            _sources[name] = _read(name)


def hash_code(code: str) -> str:
    """Return a hash of the code of a module."""
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _package(module: str) -> str:
    return module.partition(".")[0]


def _read(name: str) -> bytes:
    module = import_module(name)
    if not getattr(module, "__file__", None):
        return b""  # Code typed at a prompt has no source.
    path = Path(inspect.getsourcefile(module) or "")
    if not path.is_file():
        raise OSError(f"there is no source of {name}: set serialized_task_definition_check to false, or add it")
    return path.read_bytes()


@functools.cache
def _analyse(name: str, content: bytes) -> tuple[str, set[str]]:
    """Return the code of a module without docstrings, and the names of all modules that it imports."""
    module, imported = import_module(name), set[str]()
    nodes: list[Any] = [ast.parse(content)]
    for node in nodes:
        # The list grows. Expressions have neither docstrings nor imports; most nodes are expressions.
        nodes += [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), module.__package__)
            imported.add(source)
            if _package(source) == _package(name) and hasattr(import_module(source), "__path__"):
                parts = (f"{source}.{alias.name}" for alias in node.names)
                imported.update(part for part in parts if find_spec(part))
        elif body := getattr(node, "body", None):
            node.body = [
                each for each in body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))
            ]
    return ast.unparse(nodes[0]), imported
