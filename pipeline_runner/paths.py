"""The folders of the project and of its defaults."""

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# The wheel has conf/ in this package. It is then a set of defaults, and the project is the working directory.
IS_INSTALLED = (PACKAGE / "conf").is_dir()
DEFAULTS = PACKAGE if IS_INSTALLED else PACKAGE.parent
PROJECT = Path.cwd() if IS_INSTALLED else DEFAULTS
