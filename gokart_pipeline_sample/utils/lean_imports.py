"""Import gokart and pandera without what hardly any run uses, which takes a tenth of a run that is up to date."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Any

# gokart's clients of Redis and Slack.
_CLIENTS = ("apscheduler.schedulers.background", "redis", "redis.lock", "slack_sdk")


class _ModuleForLater(ModuleType):
    """Imports a module when one of its classes is called."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *args, **kwargs: getattr(import_module(self.__name__), name)(*args, **kwargs)


@contextlib.contextmanager
def _replacing(modules: dict[str, ModuleType | None]) -> Iterator[None]:
    """Let imports find these modules, and then the real ones again; None stands for a module that is missing."""
    replaced = {name: module for name, module in modules.items() if name not in sys.modules}
    sys.modules.update(replaced)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in replaced:
            del sys.modules[name]


@functools.cache
def prepare_for_tasks() -> None:
    """Let pandera and SciPy, which tasks are about to import, leave out what is for tests and for readers: 0.5 s."""
    # Where hypothesis is installed, pandera can generate examples of a schema with it.
    with _replacing({"hypothesis": None}):
        import_module("pandera.strategies.pandas_strategies")
    # This decorator writes a note into the docstring of each function.
    with contextlib.suppress(ImportError):
        vars(import_module("scipy._lib._array_api"))["xp_capabilities"] = lambda *_, **__: lambda function: function


def import_lightgbm_to_predict() -> None:
    """Import LightGBM without scikit-learn, which takes a second and which only its estimators and ``cv`` need.

    Those are out of reach in a process that has done this first; ``train`` is not.
    """
    with _replacing({"sklearn": None}):
        import_module("lightgbm")


with _replacing({name: _ModuleForLater(name) for name in _CLIENTS}):
    import_module("gokart")
# pandera supports frames that are not used here. Those of Dask take it seconds wherever Dask is installed.
with _replacing({"dask.dataframe" if "dask" in sys.modules else "dask": None}):
    import_module("pandera.typing.dask")
if not find_spec("xarray"):
    # pandera would fail to import it again for each annotation of a function that it checks.
    sys.modules.setdefault("pandera.typing.xarray", None)  # type: ignore[arg-type]
