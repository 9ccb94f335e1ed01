"""The project that the tests of the machinery run on, whatever the table of this project is.

``test/reference_project`` holds the files that a table brings with it, as they are for iris. They take the place of the
project's own when they are imported after this module, and in each :class:`Checkout`. The tests of the project's own
table, in ``test/table_test``, run in a process of their own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

REFERENCE = Path(__file__).resolve().parents[1] / "reference_project"


class ReferenceFinder(MetaPathFinder):
    """Finds the modules of the reference project."""

    def find_spec(self, name: str, path: Sequence[str] | None, _target: ModuleType | None = None) -> ModuleSpec | None:
        location = REFERENCE.joinpath(*name.split("."))
        if location.with_suffix(".py").is_file():
            return spec_from_file_location(name, location.with_suffix(".py"))
        if path and (location / "__init__.py").is_file():
            # Its other modules are those of the project.
            folders = [str(Path(folder) / location.name) for folder in path]
            return spec_from_file_location(name, location / "__init__.py", submodule_search_locations=folders)
        return None


if "gokart_pipeline_sample" in sys.modules:
    raise ImportError("the pipeline is already imported, with the table of the project: run test/table_test on its own")
sys.meta_path.insert(0, ReferenceFinder())
