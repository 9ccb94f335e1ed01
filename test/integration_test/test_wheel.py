"""The wheel, installed where the project is not: its command runs in any folder, with the wheel's own settings."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tomllib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from support.batch import RUN_BATCH, make_flowers
from support.checkout import CHAIN, PACKAGES, PROJECT, Checkout, Run, make_environment

pytestmark = pytest.mark.long

PYPROJECT = tomllib.loads((PROJECT / "pyproject.toml").read_text())
PROGRAM = PYPROJECT["project"]["name"]
BUILD = "import sys; from poetry.core.masonry.api import build_wheel; build_wheel(sys.argv[1])"
# As in an environment without the extra.
WITHOUT_REPORT = "import sys\nsys.modules.update(jinja2=None, markupsafe=None, matplotlib=None)\n"


@dataclass
class Installation:
    """The wheel in an environment of its own, and a folder in which its command has published once."""

    wheel: Path
    scripts: Path
    user: Checkout
    first: Run

    def main(self, *arguments: str, cwd: Path, **variables: str) -> Run:
        return self.user.execute([str(self.scripts / PROGRAM), *arguments], cwd=cwd, **variables)


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """Only the wheel is installed; what it depends on is found where the tests find it, but not the project itself."""
    folder = tmp_path_factory.mktemp("wheel")
    sources = Checkout.create(folder / "sources", make_environment())
    sources.edit("conf/param.ini", "write=false", "write=true")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(PROJECT / name, sources.directory)
    scripts = folder / "venv" / "bin"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    user = Checkout(folder / "user", make_environment(TMPDIR=str(folder), PATH=path))
    user.directory.mkdir()
    execute(sources, "-c", BUILD, str(folder))
    execute(sources, "-m", "venv", "--without-pip", str(scripts.parent))
    (wheel,) = folder.glob("*.whl")
    (site_packages,) = scripts.parent.glob("lib/*/site-packages")
    # The files .pth in that folder have no effect then: that of an editable installation of the project neither.
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    pip = ("-m", "pip", "--python", str(scripts / "python"), "install", "--no-deps", "--no-index", "--no-compile")
    execute(user, *pip, str(wheel))
    first = user.execute([str(scripts / PROGRAM)])
    assert first.exit_code == 0, first.stderr
    return Installation(wheel, scripts, user, first)


def execute(checkout: Checkout, *options: str) -> None:
    run = checkout.execute([sys.executable, *options])
    assert run.exit_code == 0, run.stderr


def test_contains_all_files_of_the_packages_and_the_settings(installation: Installation) -> None:
    with zipfile.ZipFile(installation.wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    sources = installation.wheel.parent / "sources"
    files = [path for package in PACKAGES for path in (sources / package).rglob("*") if path.is_file()]
    needed = {path.relative_to(sources).as_posix() for path in files if "__pycache__" not in path.parts}
    settings = {f"pipeline_runner/{path.relative_to(sources)}" for path in (sources / "conf").iterdir()}

    assert names == needed | settings


def test_publishes_and_reports_in_a_folder_that_is_empty(installation: Installation) -> None:
    first, user = installation.first, installation.user

    assert first.tasks == CHAIN
    assert f"\nfetch      {PROGRAM} --fetch output.csv\n" in first.stdout
    assert "WARNING there is no report" not in first.stderr
    (report,) = user.workspace.glob("runs/*.html")
    assert f"\nreport     {report}\n" in first.stdout
    assert [path.name for path in user.directory.iterdir()] == ["resources"]
    code = "import sys, importlib.util as u; print(*(u.find_spec(name).origin for name in sys.argv[1:]))"
    shown = user.execute([str(installation.scripts / "python"), "-c", code, *PACKAGES])
    places = shown.stdout.split()
    assert len(places) == len(PACKAGES), shown.stderr
    assert all(Path(place).is_relative_to(installation.scripts.parent) for place in places)


def test_shows_help_and_history_by_its_own_name(installation: Installation) -> None:
    shown = installation.main("--help", cwd=installation.user.directory)
    history = installation.main("--history", cwd=installation.user.directory)
    fetched = installation.main("--fetch", cwd=installation.user.directory)

    assert f"\n       {PROGRAM} --history | --fetch" in shown.stdout
    assert "main.py" not in shown.stdout
    assert len(history.stdout.splitlines()) >= 2
    assert fetched.stdout.startswith("id,pred\n")


def test_scores_a_table_of_the_folder_and_misses_the_report_without_its_extra(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_REPORT)
    make_flowers(3).to_csv(tmp_path / "new.csv", index=False)
    folder = installation.user.directory
    table = os.path.relpath(tmp_path / "new.csv", folder)

    run = installation.main(*RUN_BATCH, "--table", table, cwd=folder, PYTHONPATH=str(tmp_path))

    assert run.exit_code == 0, run.stderr
    assert "\npublished  s3://" in run.stdout
    assert "report" not in run.stdout
    assert run.stderr.count("WARNING") == run.stderr.count('there is no report: install the extra "report"') == 1


def test_a_file_of_the_folder_replaces_only_the_settings_that_it_has(
    installation: Installation, tmp_path: Path
) -> None:
    """Paths in it are relative to the folder, and ``LUIGI_CONFIG_PATH`` names another file instead."""
    workspace = f"[TaskOnKart]\nworkspace_directory={installation.user.workspace}\n"
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "param.ini").write_text(
        f"{workspace}[gokart_pipeline_sample.LoadDataTask]\ntable=tables/flowers.csv\n"
    )
    (tmp_path / "tables").mkdir()
    make_flowers(50).assign(target=1).to_csv(tmp_path / "tables" / "flowers.csv", index=False)
    (tmp_path / "other.ini").write_text(f"{workspace}[gokart_pipeline_sample.CheckAccuracyTask]\nrequire_acc=0.95\n")

    own = installation.main("--plan", cwd=tmp_path)
    other = installation.main("--plan", cwd=tmp_path, LUIGI_CONFIG_PATH="other.ini")

    assert "LoadDataTask       parameter changed: table empty → " in own.stdout, own.stderr
    assert "require_acc" not in own.stdout
    assert other.stdout.splitlines()[1:] == [
        "CheckAccuracyTask  parameter changed: require_acc 0.9 → 0.95",
        "UploadS3Task       input changed: CheckAccuracyTask",
    ]
    assert not (tmp_path / "resources").exists()


def test_says_what_it_cannot_do(installation: Installation, tmp_path: Path) -> None:
    make_flowers(3).to_csv(tmp_path / "new.csv", index=False)
    (tmp_path / "resources").touch()

    adopting = installation.main("--new-table", "new.csv", "--id", "id", "--target", "petal_width", cwd=tmp_path)
    running = installation.main(cwd=tmp_path)

    assert (adopting.exit_code, running.exit_code) == (2, 2)
    assert adopting.stderr == (
        "error: an installed package cannot be changed: use --new-table in a clone of the project\n"
    )
    assert running.stderr.splitlines()[-1].startswith(
        f"error: the embedded S3 cannot use the folder {tmp_path}/resources/s3: "
    )
