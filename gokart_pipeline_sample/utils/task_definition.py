"""The code of a task as an input of the task: what it says, not how it is written."""

from __future__ import annotations

import ast
import functools
import inspect
from importlib import import_module
from importlib.metadata import version
from importlib.util import resolve_name
from types import FunctionType, ModuleType

# The libraries that compute: a new version may give other figures. Import name: distribution name.
_COMPUTING_LIBRARIES = {"lightgbm": "lightgbm", "numpy": "numpy", "pandas": "pandas", "sklearn": "scikit-learn"}


@functools.cache
def serialize_task_definition(task_class: type) -> str:
    """Write down what a task computes with: its code, that of its helpers and schemas, and the libraries' versions.

    Code is taken a module at a time, beginning with the modules of the class and its bases, and following the imports
    within their packages, those inside functions included. Comments, docstrings and layout are left out.

    Args:
        task_class: the class of a task.

    Returns:
        A text that changes if and only if the task has to run again.

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
    return "\n".join(
        [*(_code(module) for module in sorted(seen)), *(f"{name}=={_library_version(name)}" for name in libraries)]
    )


def _package(module: str) -> str:
    return module.partition(".")[0]


@functools.cache
def _library_version(name: str) -> str:
    return version(_COMPUTING_LIBRARIES[name])


class _WithoutDocumentation(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        """Drop docstrings: statements that are nothing but a constant."""
        return None if isinstance(node.value, ast.Constant) else node


@functools.cache
def _syntax_tree(module: str) -> ast.Module:
    tree: ast.Module = _WithoutDocumentation().visit(ast.parse(inspect.getsource(import_module(module))))
    return tree


@functools.cache
def _code(module: str) -> str:
    return ast.unparse(_syntax_tree(module))


@functools.cache
def _imported_modules(module: str) -> frozenset[str]:
    names: set[str] = set()
    for node in ast.walk(_syntax_tree(module)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), import_module(module).__package__)
            same_package = _package(source) == _package(module)
            names.update(_defining_module(source, alias.name) if same_package else source for alias in node.names)
    return frozenset(names)


def _defining_module(module: str, name: str) -> str:
    """Find where ``from module import name`` comes from: a package may only pass on what its modules define."""
    package = import_module(module)
    value = getattr(package, name) if hasattr(package, name) else import_module(f"{module}.{name}")
    if isinstance(value, ModuleType):
        return value.__name__
    return value.__module__ if isinstance(value, (type, FunctionType)) else module
