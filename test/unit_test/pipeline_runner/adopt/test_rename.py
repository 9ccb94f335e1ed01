"""The names here are made up: that of the project itself changes in this file, too."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).parents[4] / "Makefile"
OLD, NEW = "some_old_words", "three_new_words"
FILES = {
    "pyproject.toml": '[project]\nname = "some-old-words"\n[tool]\npackages = ["some_old_words"]\n',
    "README.md": "# some_old_words\n\ns3://some-old-words/a, [code](some_old_words/__init__.py) 列some_old_words列\n",
    "some_old_words/__init__.py": "import some_old_words.io\n",
    "some_old_words/io/s3.py": 'BUCKET = "some-old-words"\nOPTION = "--some-old-words.Task-key"\n',
    "examples/x/some_old_words/some_old_words.py": "",
    "docs/some-old-words.txt": "nothing\n",
    ".ci/run": "make some_old_words\n",
}
RENAMED = {
    name.replace(OLD, NEW).replace("some-old-words", "three-new-words"): (
        text.replace(OLD, NEW).replace("some-old-words", "three-new-words")
    )
    for name, text in FILES.items()
}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    for name, text in FILES.items():
        write(folder / name, text.encode())
    git(folder, "init", "--quiet")
    return folder


def write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True)  # noqa: S607


def rename(folder: Path, name: str, refusal: str = "") -> None:
    """Give the project of a folder another name, as make rename does, or see that this is refused."""
    options = [f"--file={MAKEFILE}", "--assume-old=.venv/ready", f"BIN={Path(sys.executable).parent}"]
    command, environment = ["make", *options, "rename", f"NAME={name}"], {**os.environ, "RUFF_NO_CACHE": "true"}
    made = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert (made.returncode != 0) == bool(refusal), made.stderr
    assert refusal in made.stderr


def read(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts]
    return {path.relative_to(folder).as_posix(): path.read_bytes().decode() for path in paths}


class TestRename:
    @pytest.mark.parametrize("is_added", [True, False])
    def test_replaces_both_spellings_in_all_texts_and_paths(self, project: Path, is_added: bool) -> None:
        if is_added:
            git(project, "add", "--all")
        rename(project, NEW)
        assert read(project) == RENAMED
        assert not (project / OLD).exists()

    def test_there_and_back_again_changes_nothing(self, project: Path) -> None:
        rename(project, NEW)
        rename(project, OLD)
        assert read(project) == FILES

    def test_a_name_of_one_word_has_one_spelling(self, project: Path) -> None:
        rename(project, "word")
        assert read(project)["pyproject.toml"] == '[project]\nname = "word"\n[tool]\npackages = ["word"]\n'
        rename(project, NEW, refusal="word is one word: use one word again")
        rename(project, "other")
        assert read(project)["pyproject.toml"] == '[project]\nname = "other"\n[tool]\npackages = ["other"]\n'

    def test_leaves_longer_words_as_they_are(self, project: Path) -> None:
        text = "some_old_words_too awesome_old_words some_old_words2\n"
        write(project / "a.txt", text.encode())
        rename(project, NEW)
        assert read(project)["a.txt"] == text

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            pytest.param(b"\x89PNG\0some_old_words", b"\x89PNG\0some_old_words", id="picture"),
            pytest.param(b"\xe9 some_old_words", b"\xe9 three_new_words", id="Latin-1"),
            pytest.param(b"some_old_words\r\nx\ry\n", b"three_new_words\r\nx\ry\n", id="ends of lines"),
        ],
    )
    def test_changes_no_other_byte(self, project: Path, content: bytes, expected: bytes) -> None:
        write(project / "a", content)
        rename(project, NEW)
        assert (project / "a").read_bytes() == expected

    def test_a_program_stays_one(self, project: Path) -> None:
        (project / ".ci" / "run").chmod(0o755)
        rename(project, NEW)
        assert (project / ".ci" / "run").stat().st_mode & 0o777 == 0o755

    def test_follows_no_link(self, project: Path) -> None:
        write(project.parent / "outside" / OLD / "a.txt", b"some_old_words")
        (project / "file").symlink_to(project.parent / "outside" / OLD / "a.txt")
        (project / "folder").symlink_to(project.parent / "outside")
        rename(project, NEW)
        assert read(project.parent / "outside") == {f"{OLD}/a.txt": OLD}

    def test_leaves_what_git_ignores_or_belongs_to_another_repository(self, project: Path) -> None:
        write(project / ".gitignore", b".venv\nresources\n__pycache__\n")
        for folder in (".venv", "resources", "nested", f"{OLD}/__pycache__"):
            write(project / folder / OLD / "a.txt", OLD.encode())
        git(project / "nested", "init", "--quiet")
        git(project, "branch", "--move", f"{OLD}/topic")
        rename(project, NEW)
        for folder in (".venv", "resources", "nested", f"{NEW}/__pycache__"):
            assert read(project / folder) == {f"{OLD}/a.txt": OLD}
        assert (project / ".git" / "HEAD").read_text() == f"ref: refs/heads/{OLD}/topic\n"

    def test_a_file_that_was_removed_is_none(self, project: Path) -> None:
        git(project, "add", "--all")
        (project / "README.md").unlink()
        rename(project, NEW)
        assert read(project) == {name: text for name, text in RENAMED.items() if name != "README.md"}

    @pytest.mark.parametrize("place", ["text", "hyphens", "path"])
    def test_refuses_a_name_that_stands_somewhere(self, project: Path, place: str) -> None:
        names = {
            "text": ("docs/a.txt", NEW),
            "hyphens": ("docs/a.txt", "three-new-words"),
            "path": (f"{NEW}/a.txt", ""),
        }
        write(project / names[place][0], names[place][1].encode())
        before = read(project)
        rename(project, NEW, refusal=f"{NEW} stands in {names[place][0]}: use another name")
        assert read(project) == before

    def test_takes_a_name_that_only_longer_words_contain(self, project: Path) -> None:
        write(project / "a.txt", b"three_new_words_too")
        rename(project, NEW)
        assert (project / NEW).exists()

    def test_needs_git_to_know_the_files(self, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        shutil.rmtree(project / ".git")
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(project.parent))
        rename(project, NEW, refusal=f"git does not list the files of {project}: run git init")
        assert read(project) == FILES


class TestName:
    @pytest.mark.parametrize("name", ["abz", "a_b", "a1_2b", "x" * 30])
    def test_takes(self, project: Path, name: str) -> None:
        rename(project, name)
        assert (project / name).exists()

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            *(
                (name, "is no name of a package: use small letters, digits and single underscores")
                for name in (
                    "",
                    "Churn",
                    "a-b",
                    "a b",
                    "1ab",
                    "_ab",
                    "ab_",
                    "a__b",
                    "größe",
                    "a.b",
                    "abc\n",
                    "../x",
                )
            ),
            ("ab", "ab has 2 characters: use 3 to 30"),
            ("x" * 31, "has 31 characters: use 3 to 30"),
            ("class", "the name class is taken: use another one"),
            ("json", "the name json is taken: use another one"),
            ("pipeline_runner", "the name pipeline_runner is taken: use another one"),
        ],
    )
    def test_refuses(self, project: Path, name: str, message: str) -> None:
        rename(project, name, refusal=message)
        assert read(project) == FILES
