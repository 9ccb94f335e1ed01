"""A copy of the project in a folder of its own, run as its users run it."""

from __future__ import annotations

import compileall
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from support.reference_project import REFERENCE

PROJECT = Path(__file__).resolve().parents[2]
# The tasks of the pipeline that do something, in the order in which they run.
CHAIN = [
    "LoadDataTask",
    "PreprocessTask",
    "SplitDataTask",
    "TrainTask",
    "PredTask",
    "EvaluateTask",
    "MakeOutputTask",
    "CheckAccuracyTask",
    "UploadS3Task",
]
PACKAGES = ("gokart_pipeline_sample", "pipeline_runner")
# What is compiled here needs not be compiled in each checkout.
for folder in (*(PROJECT / package for package in PACKAGES), REFERENCE):
    compileall.compile_dir(folder, quiet=1)
SOURCES = ("main.py", "conf", *PACKAGES)
FOREIGN_VARIABLES = ("AWS_", "BUCKET_NAME", "LUIGI_", "MAKE", "MFLAGS", "OMP_", "PYTHON", "SLACK_")


def make_environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what would lead a run elsewhere, plus some variables."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN_VARIABLES)}
    # Several runs at a time share the cores, and LightGBM's threads that wait for one another then take ages.
    return {**inherited, "OMP_NUM_THREADS": "1", **variables}


@dataclass
class Run:
    """What became of a run."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def tasks(self) -> list[str]:
        """The tasks that did something, in the order in which they ended.

        Two that do not need each other may end in any order: those of the chain are in the order of the chain.
        """
        found = re.findall(r"INFO (\w+Task) took", self.stderr)
        places = iter(sorted((task for task in found if task in CHAIN), key=CHAIN.index))
        return [next(places) if task in CHAIN else task for task in found]


@dataclass
class Checkout:
    """A folder with the reference project, and the environment that its commands run in."""

    directory: Path
    environment: dict[str, str] = field(default_factory=make_environment)
    timeout: ClassVar[int] = 300

    @classmethod
    def create(cls, directory: Path, environment: dict[str, str]) -> Checkout:
        directory.mkdir()
        for name in SOURCES:
            source = PROJECT / name
            copy = shutil.copytree if source.is_dir() else shutil.copy2
            copy(source, directory / name)
        # The schema of the project's own table is not that of the reference project.
        for path in directory.glob("gokart_pipeline_sample/pipeline/schemas/*_feature.py"):
            path.unlink()
        shutil.copytree(REFERENCE, directory, dirs_exist_ok=True)
        checkout = cls(directory, {**environment, "TMPDIR": str(directory.parent)})
        # It takes longer than the rest of a run; tests that look at it switch it on.
        checkout.edit("conf/param.ini", "write=true", "write=false")
        return checkout

    def copy(self, directory: Path, **variables: str) -> Checkout:
        """Copy the project with its workspace, to run in an environment with other variables."""
        shutil.copytree(self.directory, directory)
        return Checkout(directory, {**self.environment, "TMPDIR": str(directory.parent), **variables})

    @property
    def workspace(self) -> Path:
        return self.directory / "resources"

    @property
    def command(self) -> str:
        """The words that a shell runs the project with, as a run names them."""
        return shlex.join([sys.executable, str(self.directory / "main.py")])

    def use_workspace(self, uri: str) -> None:
        """Keep the workspace elsewhere."""
        self.edit("conf/param.ini", "workspace_directory=./resources", f"workspace_directory={uri}")

    def main(
        self, *arguments: str, python_options: tuple[str, ...] = (), cwd: Path | None = None, **variables: str
    ) -> Run:
        """Run ``python main.py`` with these arguments."""
        command = [sys.executable, *python_options, str(self.directory / "main.py"), *arguments]
        return self.execute(command, cwd=cwd, **variables)

    def execute(self, command: list[str], cwd: Path | None = None, **variables: str) -> Run:
        """Run a command in the project folder, or elsewhere."""
        done = subprocess.run(
            command,
            cwd=cwd or self.directory,
            env={**self.environment, **variables},
            capture_output=True,
            text=True,
            timeout=self.timeout,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that stands in a file exactly once."""
        path = self.directory / file
        content = path.read_text()
        if content.count(old) != 1:
            raise ValueError(f"{old!r} stands {content.count(old)} times in {file}")
        path.write_text(content.replace(old, new))
