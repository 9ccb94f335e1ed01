"""The recipe of docs/find-better-settings.md, put into a project as its reader puts it there."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.checkout import PROJECT, Checkout, Run, make_environment
from support.clone import Clone

from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor, get_kept
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

pytestmark = pytest.mark.long

PAGE = (PROJECT / "docs" / "find-better-settings.md").read_text()
(RECIPE,) = re.findall(r"(?ms)^```python\n(.+?)^```$", PAGE)
(REGISTER,) = re.findall(r"(?m)^echo .+$", PAGE)
# Eleven trials with one that has learned from ten, beside the settings of today.
ROUNDS = ("--TrainTask-num-boost-round", "100")
TUNE = ("TuneTask", "--trials", "10", *ROUNDS)
TRIALS = 11


def put_recipe(project: Checkout) -> None:
    (project.directory / "gokart_pipeline_sample" / "pipeline" / "tune.py").write_text(RECIPE)
    assert project.execute(["bash", "-c", REGISTER]).exit_code == 0


def read_trials(project: Checkout) -> dict[str, dict[str, Any]]:
    return {path.name: json.loads(path.read_text()) for path in project.workspace.glob("TuneTask_*.json")}


def find_lines(run: Run) -> str:
    """The lines for param.ini that the run has logged last."""
    return re.findall(r"(?m)^\[gokart_pipeline_sample\.TrainTask\]\n(?:\w+=.*\n)+", run.stderr)[-1]


def read_loss(project: Checkout) -> float:
    """The loss of the validation rows in the last round of the only model."""
    (path,) = project.workspace.glob("TrainTask_*.txt")
    model = LightGBMModelProcessor().deserialize(path.read_bytes())
    (losses,) = get_kept(model, "learning_curve")["valid"].values()
    return losses[model.current_iteration() - 1]


@pytest.fixture(scope="module")
def project(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project with the recipe that never ran."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    project = Checkout.create(tmp_path_factory.mktemp("tune") / "checkout", environment)
    put_recipe(project)
    return project


@pytest.fixture(scope="module")
def tuned(project: Checkout, tmp_path_factory: pytest.TempPathFactory) -> tuple[Checkout, Run]:
    """That project with the result of one worker."""
    tuned = project.copy(tmp_path_factory.mktemp("tuned") / "checkout")
    run = tuned.main(*TUNE)
    assert run.exit_code == 0, run.stderr
    return tuned, run


def test_is_short_and_clean(tmp_path: Path) -> None:
    clone = Clone.make(tmp_path / "clone")
    put_recipe(clone)

    assert len(RECIPE.splitlines()) <= 60
    clone.make_target("lint")


def test_requires_no_test_rows(project: Checkout) -> None:
    drawn = project.main("--plan", "--mermaid", *TUNE).stdout

    assert set(re.findall(r"SplitDataTask -- (\w+) -->", drawn)) == {"train", "valid"}


def test_is_not_worse_than_the_settings_of_today(tuned: tuple[Checkout, Run]) -> None:
    project, run = tuned
    losses = [trial["value"] for trial in read_trials(project).values()]

    assert run.tasks.count("TuneTask") == len(losses) == TRIALS
    assert f"best so far {min([*losses, today := read_loss(project)]):.6g}:" in run.stderr
    assert min(losses) < today
    assert not [path for path in project.workspace.rglob("*") if path.suffix in (".pkl", ".db", ".log")]


def test_one_and_two_workers_find_the_same(tuned: tuple[Checkout, Run], project: Checkout, tmp_path: Path) -> None:
    parallel = project.copy(tmp_path / "parallel")

    run = parallel.main(*TUNE, "--workers", "2", "--TrainTask-threads", "1")

    assert run.exit_code == 0, run.stderr
    assert read_trials(parallel) == read_trials(tuned[0])
    assert find_lines(run) == find_lines(tuned[1])


def test_another_seed_tries_others(tuned: tuple[Checkout, Run], project: Checkout, tmp_path: Path) -> None:
    other = project.copy(tmp_path / "other")

    assert other.main("TuneTask", "--trials", "0", "--seed", "43", *ROUNDS).exit_code == 0

    (trial,) = read_trials(other).values()
    assert trial["params"] not in [each["params"] for each in read_trials(tuned[0]).values()]


def test_keeps_finished_trials_when_it_is_killed(
    tuned: tuple[Checkout, Run], project: Checkout, tmp_path: Path
) -> None:
    killed = project.copy(tmp_path / "killed")
    command = [sys.executable, str(killed.directory / "main.py"), *TUNE]
    with subprocess.Popen(
        command, cwd=killed.directory, env=killed.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        lines = (line for line in process.stderr if b"INFO TuneTask took" in line)
        for _ in range(4):
            next(lines)
        process.send_signal(signal.SIGKILL)
    times = {path: path.stat().st_mtime_ns for path in killed.workspace.glob("TuneTask_*.json")}

    run = killed.main(*TUNE)

    assert run.exit_code == 0, run.stderr
    assert 4 <= len(times) < TRIALS
    assert run.tasks.count("TuneTask") == TRIALS - len(times)
    assert {path: path.stat().st_mtime_ns for path in times} == times
    assert read_trials(killed) == read_trials(tuned[0])
    assert find_lines(run) == find_lines(tuned[1])


def test_more_trials_add_to_those_that_are_there(tuned: tuple[Checkout, Run], tmp_path: Path) -> None:
    longer = tuned[0].copy(tmp_path / "longer")

    run = longer.main("TuneTask", "--trials", "12", *ROUNDS)

    assert run.exit_code == 0, run.stderr
    # The last one of before is a trial of the new batch.
    assert run.tasks.count("TuneTask") == 2


def test_its_lines_give_the_model_that_it_has_found(
    tuned: tuple[Checkout, Run], project: Checkout, tmp_path: Path
) -> None:
    improved = project.copy(tmp_path / "improved")
    with (improved.directory / "conf" / "param.ini").open("a") as settings:
        settings.write(f"\n{find_lines(tuned[1])}")

    run = improved.main(*ROUNDS)

    assert run.exit_code == 0, run.stderr
    assert read_loss(improved) == min(trial["value"] for trial in read_trials(tuned[0]).values())
