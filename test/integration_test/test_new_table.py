"""A table becomes the table of the project in one command."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support import hard_table
from support.batch import RUN_BATCH, publish_with, read_batch
from support.checkout import CHAIN, Checkout
from support.clone import Clone

OPTIONS = ("--id", "order no.", "--target", "kind")
TABLES = {
    "orders": ("Orders 2024.parquet", *OPTIONS),
    "penguins": ("examples/penguins/penguins.csv", "--id", "id", "--target", "sex", "--name", "penguin"),
    "a number": ("examples/penguins/penguins.csv", "--id", "id", "--target", "body_mass_g", "--name", "penguin"),
}
# What has to do with schemas, features and tables, and takes little time.
UNIT_TESTS = [
    "test/unit_test/test_readme.py",
    "test/unit_test/pipeline/schemas",
    *(
        f"test/unit_test/pipeline/{name}.py"
        for name in ("test_load_data", "model/test_model_input", "test_run", "test_split_data")
    ),
    *(
        f"test/unit_test/pipeline_runner/{name}.py"
        for name in ("adopt/test_new_table", "adopt/test_table_sketch", "watch/test_task_graph")
    ),
]
INTEGRATION_TESTS = [
    "test/integration_test/test_invalidation.py::test_a_change_runs_the_task_and_what_follows[made field]",
    "test/integration_test/test_new_table.py::test_nothing_is_written_unless_it_is_agreed_to",
]


@pytest.fixture
def table(checkout: Checkout) -> Path:
    path = checkout.directory / "Orders 2024.csv"
    hard_table.write(hard_table.make_orders(2_000, labelled=True).drop(columns="a leak"), path)
    return path


@pytest.mark.long
def test_what_is_written_publishes(checkout: Checkout, table: Path, bucket: str, s3: S3Client) -> None:
    adopted = checkout.main("--new-table", str(table), *OPTIONS, "--yes")
    assert adopted.exit_code == 0, adopted.stderr
    assert adopted.stdout.splitlines()[-1].endswith(f"and run: {checkout.command}")
    count = hard_table.INFINITE_ROWS
    assert f"note: {count} of 2,000 rows are bad: 'ratio' ({count}); they are left out" in adopted.stdout
    checkout.edit("conf/param.ini", "require_acc=0.9", "require_acc=0.8\nrequire_better=false")
    run = checkout.main()
    assert (run.exit_code, run.tasks) == (0, CHAIN), run.stderr
    hard_table.write(hard_table.make_orders(300, labelled=False), checkout.directory / "new.parquet")
    assert checkout.main(*RUN_BATCH, "--table", str(checkout.directory / "new.parquet")).exit_code == 0
    assert len(read_batch(s3, bucket).published) == 300


@pytest.mark.long
def test_a_heavy_model_that_is_compiled_publishes_the_same_bytes(checkout: Checkout, s3: S3Client) -> None:
    generator = np.random.default_rng(0)
    rows = pd.DataFrame({f"x{number}": generator.normal(size=23_000) for number in range(20)})
    score = rows["x0"] + rows["x1"] * rows["x2"] + generator.normal(scale=0.5, size=len(rows))
    rows = rows.assign(kind=pd.qcut(score, 3, labels=False)).rename_axis(index="id").reset_index()
    tables = [checkout.directory / name for name in ("old.parquet", "new.parquet")]
    for table, part in zip(tables, (rows[:3_000], rows[3_000:].drop(columns="kind")), strict=True):
        part.to_parquet(table, index=False)
    assert checkout.main("--new-table", str(tables[0]), "--id", "id", "--target", "kind", "--yes").exit_code == 0
    heavy = "num_boost_round=300\nearly_stopping_rounds=300\nlearning_rate=0.1\nnum_leaves=31"
    checkout.edit(
        "conf/param.ini", "require_acc=0.9", f"require_acc=0.5\n\n[gokart_pipeline_sample.TrainTask]\n{heavy}"
    )
    options = ("--table", str(tables[1]), "--rows-per-part", "6000", "--output-format", "parquet")

    expected = publish_with("lightgbm", checkout, s3, *options)

    assert len(expected) == 4
    assert publish_with("compiled", checkout, s3, *options) == expected


def test_nothing_is_written_unless_it_is_agreed_to(checkout: Checkout, table: Path) -> None:
    before = {path: path.read_bytes() for path in checkout.directory.rglob("*.py")}
    main = [sys.executable, str(checkout.directory / "main.py"), "--new-table", str(table), *OPTIONS]
    silent = subprocess.run(main, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
    assert silent.returncode == 2
    assert silent.stderr == "error: nobody can be asked whether to write this: add --yes\n"
    assert '+    country: Series[str] = pa.Field(isin=["DE", "FR", "JP", "US"])' in silent.stdout
    assert {path: path.read_bytes() for path in checkout.directory.rglob("*.py")} == before


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (("--id", "order no."), "arguments are required: --target"),
        (("--id", "nr", "--target", "kind", "--yes"), "error: the table has no column nr: give --id one of order no.,"),
        (("--id", "Order No", "--target", "kind", "--yes"), "has no column Order No: give --id one of order no."),
        (("--id", "country", "--target", "kind", "--yes"), "rows have the country of another row: give --id a unique"),
        ((*OPTIONS, "--name", "列", "--yes"), "makes no name of a module: give --name letters, digits and underscores"),
    ],
)
def test_what_does_not_fit_is_refused(checkout: Checkout, table: Path, options: tuple[str, ...], line: str) -> None:
    run = checkout.main("--new-table", str(table), *options)
    assert run.exit_code == 2
    assert line in run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        pytest.param("pipeline/schemas/iris_feature.py", "area_m²: Series[float]\n", marks=pytest.mark.long),
        ("pipeline/schemas/iris_feature.py", "class (\n"),
        pytest.param(
            "pipeline/schemas/feature.py",
            "from gokart_pipeline_sample.pipeline.schemas.gone import FeatureSchema\n",
            marks=pytest.mark.long,
        ),
        pytest.param("pipeline/schemas/preprocessed.py", "import no_such_module\n", marks=pytest.mark.long),
        ("pipeline/preprocess.py", "1 / 0\n"),
        pytest.param(
            "pipeline/schemas/iris_feature.py",
            "import numpy as np\nfrom pandera.typing import Series\n"
            "from gokart_pipeline_sample.pipeline.schemas.base import BaseSchema\n\n\n"
            "class IrisFeatureSchema(BaseSchema):\n    x: Series[np.complex64]\n",
            marks=pytest.mark.long,
        ),
    ],
)
def test_what_is_broken_today_is_replaced(checkout: Checkout, table: Path, file: str, text: str) -> None:
    path = checkout.directory / "gokart_pipeline_sample" / file
    path.write_text(text)
    assert checkout.main("--plan").exit_code != 0
    run = checkout.main("--new-table", str(table), *OPTIONS, "--yes")
    assert run.exit_code == 0, run.stderr
    assert checkout.main("--plan").exit_code == 0


@pytest.fixture(scope="module", params=TABLES.values(), ids=TABLES)
def adopted(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """The whole project, of which nobody has changed anything by hand since the table was adopted."""
    clone = Clone.make(tmp_path_factory.mktemp("adopted") / "clone")
    hard_table.write(hard_table.make_orders(2_000, labelled=True), clone.directory / "Orders 2024.parquet")
    clone.run("python", "main.py", "--new-table", *request.param, "--yes")
    return clone


@pytest.mark.long
class TestWholeProject:
    def test_lints(self, adopted: Clone) -> None:
        adopted.make_target("lint")

    def test_passes_the_tests_of_its_table(self, adopted: Clone) -> None:
        adopted.run("pytest", "test/table_test")

    def test_passes_the_tests_of_the_machinery(self, adopted: Clone) -> None:
        adopted.run("pytest", *UNIT_TESTS)

    @pytest.mark.parametrize("adopted", [TABLES["orders"]], indirect=True, ids=["orders"])
    def test_checkouts_are_those_of_the_reference_project(self, adopted: Clone) -> None:
        adopted.run("pytest", *INTEGRATION_TESTS)
