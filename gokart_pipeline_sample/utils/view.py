"""Views of the outputs of other tasks, without copies."""

from __future__ import annotations

import functools
from typing import Any, TypeVar

import gokart
import luigi
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems

from gokart_pipeline_sample.utils.template import GokartTask

T = TypeVar("T")


class ViewTask(GokartTask[T]):
    """A task that only names or groups the outputs of its requirements: it runs nothing and stores nothing."""

    complete_check_at_run: luigi.BoolParameter = gokart.ExplicitBoolParameter(
        default=False, significant=False, description="A view has nothing to run."
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # luigi calls it repeatedly, and a chain of tasks takes 20 ms to create.
        self.requires = functools.cache(self.requires)  # type: ignore[method-assign]

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return the output of the required tasks."""
        return self.input()
