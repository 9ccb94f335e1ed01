"""The code of a task as an input of the task, without its comments, docstrings and layout."""

from __future__ import annotations

import ast
import contextlib
import functools
import hashlib
import inspect
import json
import sys
from importlib import import_module
from importlib.metadata import version
from importlib.util import cache_from_source, find_spec, resolve_name
from pathlib import Path
from typing import Any, NamedTuple

import luigi

# Libraries whose new versions may change results. Import name: distribution name.
_COMPUTING_LIBRARIES = {"lightgbm": "lightgbm", "pandas": "pandas", "scipy": "scipy", "sklearn": "scikit-learn"}


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

    Code is collected by module, starting with the modules of the class and its bases and following imports within their
    packages, including imports inside functions. Comments, docstrings and layout are left out, and so is the
    ``__init__`` of a package unless a name is imported from it: tasks import names from the modules that define them.

    Args:
        task_class: the class of a task.

    Raises:
        OSError: the source of a module cannot be read.
    """
    modules = {base.__module__ for base in task_class.__mro__}
    packages = {_package(task_class.__module__), _package(__name__)}
    seen: set[str] = set()
    while pending := {module for module in modules if _package(module) in packages} - seen:
        seen |= pending
        modules = modules.union(*(_imported_modules(module) for module in pending))
    libraries = sorted(_COMPUTING_LIBRARIES.keys() & {_package(module) for module in modules})
    return TaskDefinition(
        modules={module: _analyse(module).code for module in sorted(seen)},
        libraries={name: get_version(name) for name in (_COMPUTING_LIBRARIES[module] for module in libraries)},
    )


def hash_code(code: str) -> str:
    """Return a hash of the code of a module."""
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _package(module: str) -> str:
    return module.partition(".")[0]


@functools.cache
def get_version(distribution: str) -> str:
    """Return the version of an installed package; cached, because reading it takes a millisecond."""
    return version(distribution)


class _Module(NamedTuple):
    """The code of a module, and its imports: the level and name of each imported module, and the names from it."""

    code: str
    imports: list[tuple[int, str, list[str]]]


class _Statements(ast.NodeTransformer):
    """Drops docstrings and collects imports; expressions, which have neither, are skipped."""

    def __init__(self) -> None:
        self.imports: list[tuple[int, str, list[str]]] = []

    def visit(self, node: ast.AST) -> Any:
        return node if isinstance(node, ast.expr) else super().visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop statements that consist only of a constant."""
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Import(self, node: ast.Import) -> ast.Import:
        self.imports += [(0, alias.name, []) for alias in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        self.imports.append((node.level, node.module or "", [alias.name for alias in node.names]))
        return node


@functools.cache
def _analyse(name: str) -> _Module:
    """Parse a module, or read what an earlier process has kept beside its byte code: parsing all takes 0.3 s."""
    source = _source(name)
    # How code is written down depends on the version of Python.
    digest = hashlib.sha256(f"{sys.version}\n{source}".encode()).hexdigest()
    path = _kept_path(name)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        # Reading a FIFO may block for ever.
        kept = json.loads(path.read_text()) if path and path.is_file() else None
        if kept and kept["digest"] == digest:
            return _Module(kept["code"], kept["imports"])
    statements = _Statements()
    tree = statements.visit(ast.parse(source))
    module = _Module(ast.unparse(tree), statements.imports)
    if path and not sys.dont_write_bytecode:
        # Python, too, goes on if it may not write there.
        with contextlib.suppress(OSError), luigi.LocalTarget(path).open("w") as file:
            file.write(json.dumps({"digest": digest, **module._asdict()}))
    return module


def _kept_path(module: str) -> Path | None:
    file = getattr(import_module(module), "__file__", None)
    return Path(cache_from_source(file)).with_suffix(".json") if file and file.endswith(".py") else None


def _source(module: str) -> str:
    imported = import_module(module)
    # Neither pytest's loader nor that of a script returns the source.
    if module == "__main__" or not hasattr(imported.__loader__, "get_source"):
        with contextlib.suppress(OSError, TypeError):
            return inspect.getsource(imported)
        return ""  # Code typed at a prompt has no source.
    source: str | None = imported.__loader__.get_source(module)  # type: ignore[union-attr]
    if source is None:
        raise OSError(f"there is no source of {module}: set serialized_task_definition_check to false, or add it")
    return source


@functools.cache
def _imported_modules(module: str) -> frozenset[str]:
    names: set[str] = set()
    for level, name, parts in _analyse(module).imports:
        source = resolve_name("." * level + name, import_module(module).__package__)
        names.add(source)
        if parts and _package(source) == _package(module) and hasattr(import_module(source), "__path__"):
            names.update(part for part in (f"{source}.{part}" for part in parts) if find_spec(part))
    return frozenset(names)
