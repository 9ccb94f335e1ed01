"""A change runs exactly the tasks that it concerns."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.checkout import CHAIN, Checkout

PIPELINE = "gokart_pipeline_sample/pipeline"


def chain_from(task: str) -> list[str]:
    return CHAIN[CHAIN.index(task) :]


@pytest.mark.parametrize(
    ("file", "old", "new", "first_task"),
    [
        pytest.param(
            "conf/param.ini",
            "[core]",
            "[gokart_pipeline_sample.TrainTask]\nlearning_rate=0.1\n[core]",
            "TrainTask",
            id="parameter of LightGBM",
            marks=pytest.mark.long,
        ),
        pytest.param(
            f"{PIPELINE}/preprocess.py",
            "return length * width",
            "return width * length",
            "PreprocessTask",
            id="make_area",
            marks=pytest.mark.long,
        ),
        pytest.param(
            f"{PIPELINE}/schemas/iris_feature.py",
            "sepal_width: Series[float] = pa.Field(gt=0",
            "sepal_width: Series[float] = pa.Field(ge=0",
            "LoadDataTask",
            id="field of the first schema",
        ),
        pytest.param(
            f"{PIPELINE}/schemas/preprocessed.py", "pa.Field(gt=0", "pa.Field(ge=0", "PreprocessTask", id="made field"
        ),
        pytest.param(f"{PIPELINE}/schemas/output.py", 'e": 1', 'e": 1.0', "PredTask", id="field of a later schema"),
        pytest.param(
            "gokart_pipeline_sample/io/tables/table.py",
            'replace(" ", "_")',
            'replace(" ", "_", 9)',
            "LoadDataTask",
            id="helper",
        ),
    ],
)
def test_a_change_runs_the_task_and_what_follows(
    published: Checkout, file: str, old: str, new: str, first_task: str
) -> None:
    published.edit(file, old, new)

    run = published.main()

    assert run.exit_code == 0, run.stderr
    assert run.tasks == chain_from(first_task)


def test_comments_and_docstrings_are_no_change(published: Checkout) -> None:
    published.edit(f"{PIPELINE}/preprocess.py", '"""Add features."""', '"""Make the features."""')
    published.edit(f"{PIPELINE}/preprocess.py", "return length * width", "# An area.\n        return (length * width)")
    published.edit(
        f"{PIPELINE}/schemas/base.py",
        '"""Return the name of the column that identifies',
        '"""Give the name of the column that identifies',
    )

    run = published.main()

    assert (run.exit_code, run.tasks) == (0, [])


def test_another_version_of_lightgbm_trains_again(published: Checkout, tmp_path: Path) -> None:
    information = tmp_path / "newer" / "lightgbm-99.0.dist-info" / "METADATA"
    information.parent.mkdir(parents=True)
    information.write_text("Metadata-Version: 2.1\nName: lightgbm\nVersion: 99.0\n")

    run = published.main(PYTHONPATH=str(information.parents[1]))

    assert run.exit_code == 0, run.stderr
    assert run.tasks == chain_from("TrainTask")
