"""What lies in the workspace, and what is read from it."""

from __future__ import annotations

import pickle
import re
from pathlib import Path

import lightgbm
import pyarrow.parquet
import pytest
from support.checkout import Checkout

from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor, get_kept
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

PIPELINE = "gokart_pipeline_sample/pipeline"


def test_is_where_the_command_line_says_for_all_tasks(published: Checkout) -> None:
    elsewhere = published.directory / "else" / "where"
    published.workspace.rename(published.directory / "before")
    command = ("--workspace-directory", "else/where", "--gokart-pipeline-sample.UploadS3Task-key", "other.csv")

    run = published.main(*command, cwd=published.directory)

    assert (run.exit_code, len(run.tasks)) == (0, 9), run.stderr
    assert not published.workspace.exists()
    assert {path.name for path in elsewhere.glob("[lr]*")} == {"locks", "runs"}
    assert len([*elsewhere.glob("*.sha256")]) == 10
    assert "/other.csv" in published.main("--history", "--workspace-directory", str(elsewhere)).stdout
    assert published.main(*command, cwd=published.directory).tasks == []


def test_only_tasks_that_make_something_write(published: Checkout) -> None:
    run = published.main("gokart_pipeline_sample.RunNestTask", "--local-scheduler")
    assert run.exit_code == 0, run.stderr

    written = {re.sub(r"_[0-9a-f]{32}", "", path.name) for path in published.workspace.iterdir()}

    outputs = {
        "LoadDataTask.parquet",
        "PreprocessTask.parquet",
        "SplitDataTask_train.parquet",
        "SplitDataTask_valid.parquet",
        "SplitDataTask_test.parquet",
        "TrainTask.txt",
        "PredTask.parquet",
        "metrics.json",
        "MakeOutputTask.parquet",
        "CheckAccuracyTask.parquet",
    }
    assert written == outputs | {f"{name}.sha256" for name in outputs} | {"locks", "runs"}


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


def test_the_learning_curve_is_kept_with_the_model(published: Checkout) -> None:
    (file,) = published.workspace.glob("TrainTask_*.txt")

    curve = get_kept(LightGBMModelProcessor().deserialize(file.read_bytes()), "learning_curve")

    losses = curve["valid"]["multi_logloss"]
    assert len(losses) == len(curve["train"]["multi_logloss"])
    assert losses.index(min(losses)) == len(losses) - 1 - 100  # It went on for 100 rounds without gain.


def test_a_task_that_keeps_nothing_fails(published: Checkout) -> None:
    published.edit(
        f"{PIPELINE}/make_output.py", "        self.dump(self.make_output(", "        print(self.make_output("
    )

    run = published.main()

    assert run.exit_code == 40
    assert "MakeOutputTask" in run.stderr.splitlines()[-1]


class Trap:
    """A pickle of it makes a file when it is read."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.evidence,))


def test_the_trap_works(tmp_path: Path) -> None:
    pickle.loads(pickle.dumps(Trap(tmp_path / "evidence")))  # noqa: S301
    assert (tmp_path / "evidence").exists()


@pytest.mark.long
@pytest.mark.parametrize(
    ("planted", "removed", "end"),
    [
        pytest.param("LoadDataTask_*.parquet", ["PreprocessTask", "SplitDataTask", "TrainTask"], b"PAR1", id="frame"),
        pytest.param("TrainTask_[0-9a-f]*.txt", [], b"\npandas_categorical:[]\n", id="model"),
    ],
)
def test_a_pickle_in_place_of_an_output_is_not_read(
    published: Checkout, tmp_path: Path, planted: str, removed: list[str], end: bytes
) -> None:
    (output,) = published.workspace.glob(planted)
    # With the end of a whole file: what is cut off is not read at all.
    output.write_bytes(pickle.dumps(Trap(tmp_path / "evidence")) + end)
    # So that the run needs what was planted.
    for task in [*removed, "PredTask", "MakeOutputTask", "CheckAccuracyTask"]:
        for path in published.workspace.glob(f"{task}_*"):
            path.unlink()

    run = published.main("--require-acc", "0.5")

    assert run.exit_code == 0
    assert f"{output} is damaged: it is made again" in run.stderr
    assert not (tmp_path / "evidence").exists()


@pytest.mark.long
def test_a_pickle_where_gokart_keeps_its_logs_is_not_read(published: Checkout, tmp_path: Path) -> None:
    logs = ("task_log", "task_params", "processing_time", "random_seed", "module_versions")
    for output in list(published.workspace.iterdir()):
        for log in logs:
            planted = published.workspace / "log" / log / f"{output.stem}.pkl"
            planted.parent.mkdir(parents=True, exist_ok=True)
            planted.write_bytes(pickle.dumps(Trap(tmp_path / "evidence")))

    assert published.main("--require-acc", "0.5").exit_code == 0
    assert not (tmp_path / "evidence").exists()
