"""What the documentation shows is what the commands print, and each command that it shows does something."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from sklearn.datasets import load_iris
from support.batch import RUN_BATCH, make_flowers
from support.checkout import PROJECT, Checkout
from support.clone import Clone
from support.documentation import NOT_RUN, PAGES, SHELL, find_blocks, is_run
from support.reference_project import REFERENCE

from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

BUCKET = "your-bucket"
# What README says that each new shell needs before any other command.
ACTIVATE = "source .venv/bin/activate"
# Commands after which the project is another one.
ADOPTS = "--new-table"
ORDERS = pd.DataFrame({"order no.": range(40), "price": [1.5, 20.0] * 20, "kind": ["book", "chair"] * 20})
# Programs of the documentation that are neither the project's nor the system's.
MISSING = [program for program in ("aws", "jq") if shutil.which(program) is None]


def find_commands(page: Path) -> list[tuple[str, str]]:
    """The language and the code of each block, as far as it can be run here."""
    blocks = [(language, "\n".join(filter(is_run, commands))) for language, commands in find_blocks(page)]
    return [(language, code) for language, code in blocks if code and not any(f"{name} " in code for name in MISSING)]


COMMANDS = {page: commands for page in PAGES if (commands := find_commands(page))}


def test_a_shell_is_told_where_python_is_before_it_needs_it() -> None:
    commands = [command for _, block in find_blocks(PROJECT / "README.md") for command in block]
    before = commands[: next(number for number, command in enumerate(commands) if command.startswith("python"))]

    assert [command.partition(" #")[0].strip() for command in before] == ["make setup", ACTIVATE]


def test_the_diagrams_are_those_of_the_plan(checkout: Checkout) -> None:
    table = checkout.directory / "table.csv"
    make_flowers(1).to_csv(table, index=False)

    for task, *pages in [
        ((), "README.md", "README.ja.md"),
        ((*RUN_BATCH, "--table", str(table)), "docs/scoring.md", "docs/ja/scoring.md"),
    ]:
        drawn = checkout.main("--plan", "--mermaid", *task).stdout

        for page in pages:
            assert re.findall(r"(?ms)^```mermaid\n(.*?)^```$", (PROJECT / page).read_text()) == [drawn], page


def test_commands_that_are_not_run_are_in_the_documentation() -> None:
    shown = {command for page in PAGES for _, commands in find_blocks(page) for command in commands}
    left_out = [command for command in shown if not is_run(command)]

    for listed in (command for commands in NOT_RUN.values() for command in commands):
        assert any(command.startswith(listed) for command in left_out), listed


@pytest.fixture(scope="module")
def published(server: EmbeddedS3, s3: S3Client, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A clone of the project that has published once, and the tables that the documentation speaks of."""
    clone = Clone.make(tmp_path_factory.mktemp("documentation") / "clone")
    # The project's own table may be another one than that of the documentation.
    for path in clone.directory.glob("gokart_pipeline_sample/pipeline/schemas/*_feature.py"):
        path.unlink()
    shutil.copytree(REFERENCE, clone.directory, dirs_exist_ok=True)
    (clone.directory / ".venv" / "ready").touch()
    clone.environment |= {**server.environment(), "BUCKET_NAME": BUCKET}

    s3.create_bucket(Bucket=BUCKET)
    flowers = make_flowers(200)
    flowers.to_parquet(clone.directory / "new_flowers.parquet")
    flowers[["id"]].assign(target=flowers["id"] % 3).to_csv(clone.directory / "truth.csv", index=False)
    ORDERS.to_csv(clone.directory / "orders.csv", index=False)
    iris = load_iris(as_frame=True)["frame"]
    iris.columns = [*make_flowers(1).columns[1:], "target"]
    body = iris.rename_axis("id").reset_index().to_csv(index=False).encode()
    s3.put_object(Bucket=BUCKET, Key="flowers/iris.csv", Body=body)
    clone.run("python", "main.py")
    return clone


@pytest.mark.long
@pytest.mark.parametrize("page", COMMANDS, ids=lambda path: path.stem)
def test_each_command_of_a_page_ends_well(page: Path, published: Clone, make_copy: Callable[[], Path]) -> None:
    shell = ["bash", "-euo", "pipefail", "-c"]
    for language, code in COMMANDS[page]:
        is_shell = language in SHELL
        folder = make_copy() if ADOPTS in code else published.directory

        # As in a terminal, where somebody says yes.
        keyboard, terminal = os.openpty()
        os.write(keyboard, b"y\n")
        done = subprocess.run(
            [*shell, f"{ACTIVATE}\n{code}"] if is_shell else [folder / ".venv" / "bin" / "python", "-c", code],
            cwd=folder,
            env=published.environment,
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=published.timeout,
            check=False,
        )
        os.close(keyboard)
        os.close(terminal)
        assert done.returncode == 0, f"{code}\n{done.stdout}{done.stderr}"


@pytest.fixture
def make_copy(published: Clone, tmp_path: Path) -> Callable[[], Path]:
    """Copies the clone, for commands that change it; its tools find the packages in the folder that they run in."""
    numbers = iter(range(9))
    return lambda: shutil.copytree(published.directory, tmp_path / f"clone{next(numbers)}", symlinks=True)
