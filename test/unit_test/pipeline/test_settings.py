"""Each parameter that is set for a task of a run counts there, or is refused."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import luigi
import pytest
from luigi.task_register import Register

import gokart_pipeline_sample as pipeline
from gokart_pipeline_sample.errors import ChampionError, PipelineError
from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
from gokart_pipeline_sample.utils.parameters import TableParameter
from pipeline_runner.watch.task_graph import TaskGraph

RUNS = ["RunTask", "RunNestTask", "RunBatchTask", "TrainChampionTask", "RunDistributedTask", "EvaluatePublishedTask"]
# Only the wiring of tasks sets these.
WIRED = {("GetDataTask", "name"), ("TrainRanksTask", "parameters")}
# The one objective of LightGBM for classes has no other value.
WIRED.add(("TrainTask", "objective"))
# Rows to train on that break the schema are not the guard's to reject: LoadDataTask has parameters for them.
WIRED_IN_RANKS = {("GuardTableTask", name) for name in ("table", "on_bad_row", "max_rejected_share", "min_rows")}
WIRED_IN_RANKS.add(("SplitPiecesTask", "table"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text("id\n1\n")
    return path


@pytest.fixture(autouse=True)
def config() -> Iterator[luigi.configuration.LuigiConfigParser]:
    config = luigi.configuration.get_config()
    before = {section: dict(config.items(section, raw=True)) for section in config.sections()}
    set_parameter("UploadS3Task", "bucket", "a-bucket")
    yield config
    config.clear()
    config.read_dict(before)
    Register.clear_instance_cache()


def set_parameter(task: str, name: str, value: object) -> None:
    luigi.configuration.get_config().set(f"gokart_pipeline_sample.{task}", name, str(value))


def make_graph(run: str, table: Path) -> TaskGraph:
    """Make the tasks of a run anew, as the command line does."""
    Register.clear_instance_cache()
    needed = {"RunBatchTask": {"table": table}, "EvaluatePublishedTask": {"table": table, "manifest": "batch/manifest"}}
    given = {name: str(value) for name, value in needed.get(run, {}).items()}
    graph = TaskGraph(getattr(pipeline, run)(**given))
    if graph.error:
        raise graph.error
    return graph


def list_values(graph: TaskGraph, task: str, name: str) -> set[Any]:
    return {getattr(each, name) for each in graph.all_tasks.values() if type(each).__name__ == task}


def choose_other(parameter: Any, value: Any, table: Path) -> str:
    """Return the text of another value that the parameter takes."""
    if isinstance(parameter, TableParameter):
        return str(table)
    if isinstance(value, Mapping):
        return '{"lambda_l2": 5}'
    if isinstance(value, tuple):
        return '["petal_width"]'
    choices = sorted(", ".join(re.findall(r"Choices: \{(.*)\}", parameter.description or "")).split(", "))
    others = ["true", "false", "7", "8", "0.3", "recall[1]", "recall[1]>0.3", "tcp://a:1", "1:f1"]
    for text in filter(None, [*choices, *others]):
        with contextlib.suppress(ValueError):
            if parameter.normalize(parameter.parse(text)) != value:
                return text
    raise AssertionError(f"no other value is known for {parameter.description}")


@pytest.mark.parametrize("run", RUNS)
def test_a_parameter_of_a_task_counts_or_is_refused(run: str, table: Path) -> None:
    tasks = {type(each).__name__: each for each in make_graph(run, table).all_tasks.values()}
    # Those that make_graph gives to a run are given to the task that the run stands for.
    wired = WIRED | {("JoinTruthTask", "manifest"), ("JoinTruthTask", "table"), (run, "table"), (run, "manifest")}
    wired |= WIRED_IN_RANKS if run == "RunDistributedTask" else set()
    for task, name in sorted({(each, name) for each in tasks for name in tasks[each].plain_parameters()} - wired):
        parameter, config = getattr(type(tasks[task]), name), luigi.configuration.get_config()
        before = config.get(f"gokart_pipeline_sample.{task}", name, "")
        text = choose_other(parameter, getattr(tasks[task], name), table)
        set_parameter(task, name, text)
        try:
            found = list_values(make_graph(run, table), task, name)
        except (PipelineError, ValueError):
            continue
        finally:
            config.remove_option(f"gokart_pipeline_sample.{task}", name)
            if before:
                set_parameter(task, name, before)
        assert found == {parameter.normalize(parameter.parse(text))}, f"{name} of {task}"


@pytest.mark.parametrize(
    ("run", "owner", "name", "value", "user"),
    [
        ("TrainChampionTask", "SplitDataTask", "split_by", "petal_width", "TrainChampionTask"),
        ("TrainChampionTask", "CheckAccuracyTask", "require_acc", 0.3, "ChooseChampionTask"),
        ("RunBatchTask", "TrainTask", "threads", 3, "ScoreTableTask"),
        ("RunDistributedTask", "TrainTask", "threads", 3, "TrainRanksTask"),
        ("EvaluatePublishedTask", "ScoreTableTask", "bucket", "another-bucket", "JoinTruthTask"),
        ("RunBatchTask", "GuardTableTask", "encoding", "cp932", "ScoreTableTask"),
        ("RunBatchTask", "ScoreTableTask", "encoding", "cp932", "GuardTableTask"),
    ],
)
def test_a_parameter_of_another_task_counts_too(
    run: str, owner: str, name: str, value: object, user: str, table: Path
) -> None:
    set_parameter(owner, name, value)
    assert list_values(make_graph(run, table), user, name) == {value}


def test_the_champion_is_loaded_from_where_it_was_put() -> None:
    for name, value in (("bucket", "another-bucket"), ("server_side_encryption", "AES256"), ("prefix", "best")):
        set_parameter("ChooseChampionTask", name, value)
    champions = LoadChampionTask(champion="").champions()
    assert (champions.bucket, champions.encryption.server_side, champions.folder) == (
        "another-bucket",
        "AES256",
        "best/",
    )


class TestSplitBy:
    def test_of_the_run_wins_over_that_of_the_split(self, table: Path) -> None:
        assert list_values(make_graph("TrainChampionTask", table), "SplitDataTask", "split_by") == {"id"}
        set_parameter("SplitDataTask", "split_by", "random")
        with pytest.raises(ChampionError, match="set it to id, or to a column of time, for SplitDataTask or for Train"):
            make_graph("TrainChampionTask", table)
        set_parameter("TrainChampionTask", "split_by", "petal_width")
        assert list_values(make_graph("TrainChampionTask", table), "SplitDataTask", "split_by") == {"petal_width"}


@pytest.mark.parametrize(
    ("owner", "name", "value"), [("SplitDataTask", "split_by", "petal_width"), ("LoadDataTask", "on_bad_row", "drop")]
)
def test_ranks_refuse_what_needs_all_rows(owner: str, name: str, value: str, table: Path) -> None:
    set_parameter(owner, name, value)
    with pytest.raises(ValueError, match="on_bad_row=drop and a split_by other than id need all rows on one machine"):
        make_graph("RunDistributedTask", table)
