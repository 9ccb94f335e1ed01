"""A copy of all files of the project, with tests and tools, for commands that change the project itself."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from support.checkout import PROJECT, Checkout, Run, make_environment

TOOLS = Path(sys.executable).parent
SCRIPTS = ("lint-imports", "luigi", "mypy", "pytest")
BINARIES = ("ruff", "weed")
# It knows what is installed: mypy alone takes half a minute for it.
TYPES = ".mypy_cache"


class Clone(Checkout):
    """All files that git knows or would add, as git would know them, and an environment as make setup builds it.

    What the project depends on is found where the tests find it, but the project itself is not: the packages can only
    be those of the clone.
    """

    timeout = 600

    @classmethod
    def make(cls, directory: Path) -> Clone:
        listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        names = subprocess.check_output(listed, cwd=PROJECT, text=True).split("\0")
        for path in sorted(path for path in map(PROJECT.joinpath, names) if path.is_file()):
            copy = directory / path.relative_to(PROJECT)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copy)
        if (PROJECT / TYPES).exists():
            shutil.copytree(PROJECT / TYPES, directory / TYPES)
        venv.create(directory / ".venv", symlinks=True)
        (site_packages,) = directory.glob(".venv/lib/*/site-packages")
        # A .pth of the other folder has no effect then, not even that of the editable installation of the project.
        (site_packages / "clone.pth").write_text(f"{directory}\n{sysconfig.get_path('purelib')}\n")
        tools = directory / ".venv" / "bin"
        for name in SCRIPTS:
            (tools / name).write_text(f'#!/bin/sh\nexec "{tools / "python"}" "{TOOLS / name}" "$@"\n')
            (tools / name).chmod(0o755)
        for name in BINARIES:
            (tools / name).symlink_to(TOOLS / name)
        clone = cls(directory, make_environment(TMPDIR=str(directory.parent)))
        for arguments in (["init", "--quiet"], ["add", "--all"]):
            clone.run("git", *arguments)
        return clone

    def run(self, program: str, *arguments: str) -> Run:
        """Run a program, one of the clone's environment if it is there, which must end well."""
        path = self.directory / ".venv" / "bin" / program
        run = self.execute([str(path) if path.exists() else program, *arguments])
        assert run.exit_code == 0, run.stdout + run.stderr
        return run

    def make_target(self, *arguments: str) -> Run:
        """Make a target of the Makefile, all but what takes Poetry or the network."""
        return self.run("make", "--assume-old=.venv/ready", "POETRY=true", *arguments)
