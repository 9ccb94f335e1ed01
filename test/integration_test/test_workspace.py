"""What lies in the workspace, and what is read from it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import lightgbm
import pyarrow.parquet
import pytest
from support.checkout import Checkout

from gokart_pipeline_sample.pipeline.schemas import PreprocessedSchema


def test_only_tasks_that_make_something_write(published: Checkout) -> None:
    run = published.main("gokart_pipeline_sample.RunNestTask", "--local-scheduler")
    assert run.exit_code == 0, run.stderr

    written = {re.sub(r"_[0-9a-f]{32}", "", path.name) for path in published.workspace.rglob("*")}

    assert written == {
        "LoadDataTask.parquet",
        "PreprocessTask.parquet",
        "SplitDataTask_train.parquet",
        "SplitDataTask_valid.parquet",
        "SplitDataTask_test.parquet",
        "TrainTask.txt",
        "TrainTask_learning_curve.json",
        "PredTask.parquet",
        "MakeOutputTask.parquet",
        "CheckAccuracyTask.parquet",
    }


def test_frames_are_parquet_for_any_reader(published: Checkout) -> None:
    for file in published.workspace.glob("*.parquet"):
        table = pyarrow.parquet.ParquetFile(file)
        assert table.metadata.num_rows > 0
        assert table.metadata.row_group(0).column(0).compression == "ZSTD"


def test_the_model_has_the_features_of_the_schema_and_not_the_id(published: Checkout) -> None:
    (file,) = published.workspace.glob("TrainTask_*.txt")

    features = lightgbm.Booster(model_file=file).feature_name()

    assert features == PreprocessedSchema.feature_columns()
    assert PreprocessedSchema.id_column() not in features
    assert PreprocessedSchema.target_column() not in features


class Trap:
    """A pickle of it makes a file when it is read."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.evidence,))


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "evidence")))  # noqa: S301
    assert (tmp_path / "evidence").exists()


@pytest.mark.parametrize("extra_arguments", [[], ["--tree-info-mode", "all"]])
def test_no_pickle_is_read(published: Checkout, tmp_path: Path, extra_arguments: list[str]) -> None:
    evidence = tmp_path / "evidence"
    trap = pickle.dumps(Trap(evidence))
    outputs = list(published.workspace.iterdir())
    for output in outputs:
        output.write_bytes(trap)
        # Where gokart keeps its own pickles, for this task and this unique id.
        for log in ("task_log", "task_params", "processing_time", "random_seed", "module_versions"):
            planted = published.workspace / "log" / log / f"{output.stem}.pkl"
            planted.parent.mkdir(parents=True, exist_ok=True)
            planted.write_bytes(trap)
        output.with_suffix(".pkl").write_bytes(trap)

    for task in ("RunTask", "RunNestTask"):
        published.main(f"gokart_pipeline_sample.{task}", "--local-scheduler", "--require-acc", "0.5", *extra_arguments)

    assert not evidence.exists()
