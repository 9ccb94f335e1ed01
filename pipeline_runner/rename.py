"""Give the project another name: python -m pipeline_runner.rename NAME (make rename NAME=...)."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import keyword
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from pipeline_runner.errors import UsageError

# With more, lines of code would become too long.
MOST_CHARACTERS = 30


def rename(project: Path, name: str) -> None:
    """Replace the name of the package, and that of distribution, bucket and command, in all files of the project.

    Args:
        project: the folder of the project.
        name: the new name of the package; the others have hyphens in place of its underscores.

    Raises:
        UsageError: the name cannot be that of a package, or occurs already; or git does not know the project.
    """
    old = tomllib.loads((project / "pyproject.toml").read_text())["project"]["name"].replace("-", "_")
    if not re.fullmatch(r"[a-z]\w+", name, re.ASCII) or name != name.lower() or keyword.iskeyword(name):
        raise UsageError(f"{name!r} is no name of a package: use small letters, digits and underscores")
    if len(name) > MOST_CHARACTERS:
        raise UsageError(f"{name} has {len(name)} characters: use at most {MOST_CHARACTERS}")
    if (project / name).exists() or importlib.util.find_spec(name):
        raise UsageError(f"the name {name} is taken: use another one")
    names = {old: name, old.replace("_", "-"): name.replace("_", "-")}
    texts = read_texts(project)
    for path, text in texts.items():
        # It could not be told apart when the project is renamed again.
        if any(new in text for new in names.values()):
            raise UsageError(f"{name} stands in {path.relative_to(project)}: use another name")
    for path, text in texts.items():
        renamed = functools.reduce(lambda changed, each: changed.replace(*each), names.items(), text)
        if renamed != text:
            path.write_bytes(renamed.encode())
    # The innermost first.
    for folder in sorted(project.rglob(old), key=lambda path: len(path.parts), reverse=True):
        if folder.is_dir() and ".venv" not in folder.parts:
            folder.rename(folder.with_name(name))


def read_texts(project: Path) -> dict[Path, str]:
    """Return the text of each file that git knows or would add.

    Raises:
        UsageError: git does not know the project.
    """
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if listed.returncode:
        raise UsageError(f"git does not list the files of {project}: {listed.stderr.strip()}")
    texts = {}
    for path in sorted({project / file for file in listed.stdout.split("\0") if file}):
        # The rest is pictures, and what was removed.
        with contextlib.suppress(UnicodeDecodeError):
            if path.is_file():
                texts[path] = path.read_bytes().decode()
    return texts


if __name__ == "__main__":
    try:
        rename(Path(__file__).resolve().parents[1], sys.argv[1] if len(sys.argv) > 1 else "")
    except UsageError as error:
        sys.exit(f"error: {error}")
