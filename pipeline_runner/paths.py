"""The folders of the project and of its defaults, and the command that runs it."""

import shlex
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
# The wheel has conf/ in this package. It is then a set of defaults, and the project is the working directory.
IS_INSTALLED = (PACKAGE / "conf").is_dir()
DEFAULTS = PACKAGE if IS_INSTALLED else PACKAGE.parent
PROJECT = Path.cwd() if IS_INSTALLED else DEFAULTS
# As it was called, which may be with a Python that no PATH finds.
COMMAND = Path(sys.argv[0]).name if IS_INSTALLED else shlex.join([*sys.orig_argv[:1], *sys.argv[:1]])
