"""Give the project another name: python -m pipeline_runner.adopt.rename NAME (make rename NAME=...)."""

import importlib.util
import keyword
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

from pipeline_runner.errors import UsageError

# Names of buckets have at least three; with more than thirty, lines of code would become too long.
LENGTHS = range(3, 31)


def rename(project: Path, name: str) -> None:
    """Replace the name of the package, and those with hyphens: of distribution, bucket and command."""
    old = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]["name"].replace("-", "_")
    check_name(name, old)
    names = {old: name, old.replace("_", "-"): name.replace("_", "-")}
    known, wanted = (re.compile(rf"(?<!\w)(?:{'|'.join(words)})(?!\w)", re.ASCII) for words in (names, names.values()))
    texts = {path: _read(path) for path in list_files(project)}
    for path, text in texts.items():
        # It could not be told apart when the project is renamed again.
        if wanted.search(f"{path.relative_to(project)}\n{text}"):
            raise UsageError(f"{name} stands in {path.relative_to(project)}: use another name")
    for path, text in texts.items():
        if known.search(text):
            path.write_bytes(known.sub(lambda found: names[found[0]], text).encode("latin-1"))
    paths = {each for path in texts for each in (path, *path.parents) if project in each.parents}
    # The innermost first.
    for path in sorted(paths, reverse=True):
        if known.search(path.name):
            path.rename(path.with_name(known.sub(lambda found: names[found[0]], path.name)))


def check_name(name: str, old: str) -> None:
    """Reject a name that cannot be that of the package; the message of the UsageError says what to use instead."""
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise UsageError(f"{name!r} is no name of a package: use small letters, digits and single underscores")
    if len(name) not in LENGTHS:
        raise UsageError(f"{name} has {len(name)} characters: use {LENGTHS[0]} to {LENGTHS[-1]}")
    if importlib.util.find_spec(name):
        raise UsageError(f"the name {name} is taken: use another one")
    if "_" in name and "_" not in old:
        # Nothing tells the name of the bucket, which has hyphens, from that of the package any more.
        raise UsageError(f"{old} is one word: use one word again")


def list_files(project: Path) -> list[Path]:
    """Return the files that git knows or would add; neither links nor submodules."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.check_output(command, cwd=project)
    except (OSError, subprocess.CalledProcessError) as error:
        raise UsageError(f"git does not list the files of {project}: run git init ({error})") from error
    paths = {project / os.fsdecode(name) for name in listed.split(b"\0") if name}
    return sorted(path for path in paths if path.is_file() and not path.is_symlink())


def _read(path: Path) -> str:
    """Return the text of a file, whatever its encoding, a character for each byte; nothing of a binary file."""
    content = path.read_bytes()
    return "" if b"\0" in content else content.decode("latin-1")


if __name__ == "__main__":
    try:
        rename(Path(__file__).resolve().parents[2], "".join(sys.argv[1:2]))
    except UsageError as error:
        sys.exit(f"error: {error}")
