"""The code of a task as an input of the task, without its comments, docstrings and layout."""

from __future__ import annotations

import ast
import functools
import hashlib
import inspect
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec, resolve_name
from pathlib import Path
from typing import Any, NamedTuple

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

    The modules are those of the class and its bases and what they import within their packages, also in functions. The
    ``__init__`` of a package counts only if a name is imported from it. Comments, docstrings and layout do not count.

    Raises:
        OSError: a module has no source.
    """
    modules = {base.__module__ for base in task_class.__mro__}
    packages = {_package(task_class.__module__), _package(__name__)}
    seen: set[str] = set()
    while pending := {module for module in modules if _package(module) in packages} - seen:
        seen |= pending
        modules = modules.union(*(_find_imported(module) for module in pending))
    libraries = _COMPUTING_LIBRARIES.keys() & {_package(module) for module in modules}
    return TaskDefinition(
        {module: _analyse(module).code for module in sorted(seen)},
        {name: get_version(name) for name in sorted(_COMPUTING_LIBRARIES[library] for library in libraries)},
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


class _Module(ast.NodeTransformer):
    """The code of a module without docstrings, and its imports: each module, as it stands there, and the names."""

    def __init__(self, name: str) -> None:
        self.imports: list[tuple[str, list[str]]] = []
        self.code = ast.unparse(self.visit(ast.parse(_read_source(name))))

    def visit(self, node: ast.AST) -> Any:
        # Expressions have neither docstrings nor imports; most nodes are expressions.
        return node if isinstance(node, ast.expr) else super().visit(node)

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        return None if isinstance(node.value, ast.Constant) else node

    def visit_Import(self, node: ast.Import) -> ast.Import:
        self.imports += [(alias.name, []) for alias in node.names]
        return node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.ImportFrom:
        self.imports.append(("." * node.level + (node.module or ""), [alias.name for alias in node.names]))
        return node


_analyse = functools.cache(_Module)


def _read_source(module: str) -> str:
    imported = import_module(module)
    if not getattr(imported, "__file__", None):
        return ""  # Code typed at a prompt has no source.
    path = inspect.getsourcefile(imported)
    if not path or not Path(path).is_file():
        raise OSError(f"there is no source of {module}: set serialized_task_definition_check to false, or add it")
    return Path(path).read_text(encoding="utf-8")


@functools.cache
def _find_imported(module: str) -> frozenset[str]:
    names: set[str] = set()
    for relative, parts in _analyse(module).imports:
        source = resolve_name(relative, import_module(module).__package__)
        names.add(source)
        if parts and _package(source) == _package(module) and hasattr(import_module(source), "__path__"):
            names.update(part for part in (f"{source}.{part}" for part in parts) if find_spec(part))
    return frozenset(names)
