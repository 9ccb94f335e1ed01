"""A copy of the whole project gets another name, and is then as good as before."""

from __future__ import annotations

import re
import tomllib

import pytest
from support.checkout import CHAIN, PROJECT
from support.clone import Clone

from pipeline_runner.local_s3 import embedded_s3

pytestmark = pytest.mark.long

OLD = tomllib.loads((PROJECT / "pyproject.toml").read_text("utf-8"))["project"]["name"].replace("-", "_")
# The new names must not stand here. One is sorted before all others, and one, as long as can be, behind them.
SHORT = 3 * "a"
LONG = f"{14 * 'z'}_{15 * 'z'}" if "_" in OLD else 30 * "z"
# What names the package in texts, in options, in paths, in code that it writes, and in files that it reads.
TESTS = [
    "test/unit_test/test_readme.py",
    "test/unit_test/io/test_lightgbm_model.py",
    "test/unit_test/pipeline/test_pred.py",
    "test/unit_test/pipeline/test_run.py",
    "test/unit_test/pipeline/schemas",
    "test/unit_test/pipeline_runner/cli/test_arguments.py",
    "test/unit_test/pipeline_runner/cli/test_configuration.py",
    "test/unit_test/pipeline_runner/adopt/test_new_table.py",
    "test/unit_test/pipeline_runner/watch/test_plan.py",
    "test/unit_test/pipeline_runner/adopt/test_rename.py",
    "test/unit_test/utils",
]


@pytest.fixture(scope="module", params=[SHORT, LONG])
def renamed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone.make(tmp_path_factory.mktemp("renamed") / "clone")
    clone.make_target("rename", f"NAME={request.param}")
    clone.run("git", "add", "--all")
    return clone


def test_nothing_has_the_old_name(renamed: Clone) -> None:
    # One word may be a part of others, which stay.
    old = re.compile(rf"(?i){OLD}|{OLD.replace('_', '-')}" if "_" in OLD else rf"(?a)(?<!\w){OLD}(?!\w)")
    files = renamed.run("git", "ls-files", "-z").stdout.split("\0")[:-1]

    assert [name for name in files if old.search(name)] == []
    assert [name for name in files if old.search((renamed.directory / name).read_bytes().decode("latin-1"))] == []


def test_no_other_place_provides_the_old_name(renamed: Clone) -> None:
    code = "import sys, importlib.util as u; print(*map(u.find_spec, sys.argv[1:]), sep='\\n')"
    old, runner = renamed.run("python", "-c", code, OLD, "pipeline_runner").stdout.splitlines()

    assert old == "None"
    assert str(renamed.directory) in runner


def test_lints(renamed: Clone) -> None:
    renamed.make_target("lint")


def test_passes_the_tests_of_its_table(renamed: Clone) -> None:
    renamed.run("pytest", "test/table_test")


@pytest.mark.parametrize("renamed", [LONG], indirect=True)
def test_passes_the_tests_of_the_machinery(renamed: Clone) -> None:
    renamed.run("pytest", *TESTS)


@pytest.mark.parametrize("renamed", [LONG], indirect=True)
def test_publishes_to_the_bucket_of_its_name(renamed: Clone) -> None:
    run = renamed.run("python", "main.py")

    assert run.tasks == CHAIN
    with embedded_s3.running(renamed.workspace / "s3") as server:
        server.wait_until_ready()
        answer = server.connect().get_object(Bucket=LONG.replace("_", "-"), Key="output.csv")
        assert answer["Body"].read().startswith(b"id,pred\n")
