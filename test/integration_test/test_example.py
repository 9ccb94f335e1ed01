"""The penguins of the example, adopted by the command and the diff of docs/make-it-yours.md."""

from __future__ import annotations

import configparser
import json
import re
import shutil
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, publish_with, read_batch
from support.checkout import CHAIN, PROJECT, Checkout, Run, make_environment
from support.reference_project import REFERENCE

from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

pytestmark = pytest.mark.long

EXAMPLE = PROJECT / "examples" / "penguins"
ADOPT = ("--new-table", "examples/penguins/penguins.csv", "--id", "id", "--target", "sex", "--name", "penguin")
CONFIG = str(PROJECT / "pyproject.toml")
CHECKS = [("ruff", "check", "--config", CONFIG), ("ruff", "format", "--check", "--config", CONFIG)]
TASKS = "gokart_pipeline_sample"
MEASUREMENTS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
NEW_PENGUINS = pd.read_csv(EXAMPLE / "new_penguins.csv")
# The first adds a feature, the second a lookup.
DIFFS = re.findall(r"(?ms)^```diff\n(.+?)^```$", (PROJECT / "docs" / "make-it-yours.md").read_text())
MEASURED = NEW_PENGUINS[MEASUREMENTS].notna().all(axis=1)
TWO_PENGUINS = pd.DataFrame(
    {
        "id": ["PAL0708-N1A1", "PAL0708-N46A1"],
        "species": ["Adelie", "Gentoo"],
        "island": ["Dream", "Biscoe"],
        "bill_length_mm": [36.0, 45.0],
        "bill_depth_mm": [18.0, 15.0],
        "flipper_length_mm": [181, 211],
        "body_mass_g": [3750, 4500],
        "delta_15_n": [None, 8.0],
        "delta_13_c": [-25.0, None],
    }
)

BILL_RATIO = "PreprocessTask.preprocess(data)['bill_ratio'].tolist()"
CATEGORIES = """[
    column.cat.categories.tolist()
    for _, column in encode_features(PreprocessedSchema, PreprocessTask.preprocess(data)).items()
    if column.dtype == "category"
]"""


@pytest.fixture(scope="module")
def penguins(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project that has adopted the penguins and published once."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("penguins") / "checkout", environment)
    shutil.copytree(EXAMPLE, checkout.directory / "examples" / "penguins")
    assert checkout.main(*ADOPT, "--yes").exit_code == 0
    apply(checkout, DIFFS[0])
    run = checkout.main()
    assert run.exit_code == 0, run.stderr
    assert run.tasks == CHAIN
    return checkout


class TestAdoption:
    def test_what_it_writes_and_the_diff_are_clean_and_its_own_tests_pass(self, penguins: Checkout) -> None:
        for command in CHECKS:
            run = penguins.execute([sys.executable, "-m", *command])

            assert run.exit_code == 0, run.stdout

    def test_configures_the_tables_and_what_may_be_wrong_with_them(self, penguins: Checkout) -> None:
        assert read_settings(penguins.directory) ^ read_settings(REFERENCE) == {
            (f"{TASKS}.LoadDataTask", "table", "examples/penguins/penguins.csv"),
            (f"{TASKS}.RunBatchTask", "table", "examples/penguins/new_penguins.csv"),
            (f"{TASKS}.RunBatchTask", "on_bad_row", "reject"),
            (f"{TASKS}.RunBatchTask", "max_rejected_share", "0.2"),
            (f"{TASKS}.CheckAccuracyTask", "require_acc", "0.8"),
            (f"{TASKS}.CheckAccuracyTask", "require_acc", "0.9"),
            (f"{TASKS}.Report", "write", "true"),
            (f"{TASKS}.Report", "write", "false"),
        }


class TestPublication:
    def test_has_text_for_ids_and_classes(self, penguins: Checkout, s3: S3Client) -> None:
        answer = s3.get_object(Bucket=penguins.environment["BUCKET_NAME"], Key="output.csv")
        output = pd.read_csv(BytesIO(answer["Body"].read()))

        assert output.columns.tolist() == ["id", "pred"]
        assert output["id"].is_unique
        assert set(output["pred"]) == {"female", "male"}
        sexes = pd.read_csv(EXAMPLE / "penguins.csv").set_index("id")["sex"]
        accuracy = float((sexes[output["id"]].to_numpy() == output["pred"]).mean())
        assert answer["Metadata"]["rows"] == str(len(output)) == "67"
        assert answer["Metadata"]["accuracy"] == str(accuracy)


class TestBatch:
    def test_predicts_the_new_rows_and_rejects_those_without_measurements(
        self, penguins: Checkout, s3: S3Client
    ) -> None:
        run = score(penguins, "--with-proba", "true")

        assert run.exit_code == 0, run.stderr
        assert [task for task in run.tasks if task in BATCH_CHAIN] == BATCH_CHAIN
        batch = read_batch(s3, penguins.environment["BUCKET_NAME"])
        assert [batch.manifest[f"rows_{what}"] for what in ("in", "published", "rejected")] == [11, 9, 2]
        assert [part["rows"] for part in batch.manifest["parts"]] == [9]
        assert [part["rows"] for part in batch.manifest["rejected"]] == [2]

        published = batch.published
        assert published.columns.tolist() == ["id", "pred", "probability_female", "probability_male"]
        assert published["id"].tolist() == NEW_PENGUINS["id"][MEASURED].tolist()
        probabilities = published[["probability_female", "probability_male"]]
        assert probabilities.sum(axis=1).tolist() == pytest.approx([1.0] * 9)
        assert published["pred"].tolist() == probabilities.idxmax(axis=1).str.removeprefix("probability_").tolist()

        assert batch.rejected["id"].tolist() == NEW_PENGUINS["id"][~MEASURED].tolist()
        # The other two measurements are missing as well, but a row without its whole numbers is not looked at further.
        reason = "body_mass_g breaks not_nullable; flipper_length_mm breaks not_nullable"
        assert batch.rejected["reason"].tolist() == [reason, reason]

    def test_a_compiled_model_publishes_the_same_bytes(self, penguins: Checkout, s3: S3Client) -> None:
        options = ("--rows-per-part", "3")
        expected = publish_with("lightgbm", penguins, s3, *options)
        assert len(expected) == 4
        assert publish_with("compiled", penguins, s3, *options) == expected

    def test_predicts_a_row_that_comes_alone_as_it_does_among_others(self, penguins: Checkout, s3: S3Client) -> None:
        options = ("--with-proba", "true", "--prefix")
        together = score(penguins, *options, "together")
        alone = score(penguins, *options, "alone", "--rows-per-part", "1")

        assert (together.exit_code, alone.exit_code) == (0, 0)
        whole, rows = (read_batch(s3, penguins.environment["BUCKET_NAME"], name) for name in ("together", "alone"))
        assert [part["rows"] for part in rows.manifest["parts"]] == MEASURED.astype(int).tolist()
        assert rows.published.to_dict("list") == whole.published.to_dict("list")
        assert rows.rejected["id"].tolist() == whole.rejected["id"].tolist()

    def test_knows_the_categories_of_the_training_when_a_row_comes_alone(self, penguins: Checkout) -> None:
        run = calculate(penguins, CATEGORIES, TWO_PENGUINS[:1])

        assert run.exit_code == 0, run.stderr
        categories = json.loads(run.stdout)
        assert categories == [["Adelie", "Chinstrap", "Gentoo"], ["Biscoe", "Dream", "Torgersen"]]
        model = next(penguins.workspace.glob("TrainTask_*.txt"))
        assert f"pandas_categorical:{json.dumps(categories)}" in model.read_text()


class TestLookup:
    def test_joins_the_islands_in_training_and_scoring(
        self, penguins: Checkout, make_bucket: Callable[[], str], s3: S3Client, tmp_path: Path
    ) -> None:
        joined = penguins.copy(tmp_path / "joined", BUCKET_NAME=make_bucket())
        apply(joined, DIFFS[1])
        for command in CHECKS:
            assert joined.execute([sys.executable, "-m", *command]).exit_code == 0
        # The place of a file in the configuration does not depend on the folder of the run.
        run = joined.main(*RUN_BATCH, cwd=tmp_path)

        assert run.exit_code == 0, run.stderr
        assert {"PreprocessTask", *BATCH_CHAIN} <= set(run.tasks)
        assert any("latitude" in path.read_text() for path in joined.workspace.glob("TrainTask_*.txt"))
        batch = read_batch(s3, joined.environment["BUCKET_NAME"])
        assert batch.published["id"].tolist() == NEW_PENGUINS["id"][MEASURED].tolist()


class TestPreprocess:
    @pytest.mark.parametrize("target", [{}, {"sex": ["male", "female"]}])
    def test_divides_length_by_depth(self, penguins: Checkout, target: dict[str, list[str]]) -> None:
        run = calculate(penguins, BILL_RATIO, TWO_PENGUINS.assign(**target))

        assert run.exit_code == 0, run.stderr
        assert json.loads(run.stdout) == [2.0, 3.0]

    @pytest.mark.parametrize(
        ("column", "values"),
        [
            pytest.param("bill_depth_mm", [0.0, 15.0], id="zero depth"),
            pytest.param("body_mass_g", [None, 4500.0], id="missing measurement"),
            pytest.param("island", ["Dream", "Anvers"], id="unknown category"),
            pytest.param("sex", ["male", "MALE"], id="unknown class"),
            pytest.param("id", ["PAL0708-N1A1", "PAL0708-N1A1"], id="repeated id"),
        ],
    )
    def test_refuses_a_table_that_breaks_the_schema(
        self, penguins: Checkout, column: str, values: list[object]
    ) -> None:
        run = calculate(penguins, BILL_RATIO, TWO_PENGUINS.assign(**{column: values}))

        assert run.exit_code == 1
        assert "SchemaErrors" in run.stderr
        assert f'"column": "{column}"' in run.stderr


def apply(checkout: Checkout, diff: str) -> None:
    (checkout.directory / "a.diff").write_text(diff)
    applied = checkout.execute(["git", "apply", "a.diff"])
    assert applied.exit_code == 0, applied.stderr


def read_settings(folder: Path) -> set[tuple[str, str, str]]:
    """The settings of a folder's ini file: section, key and value."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(folder / "conf" / "param.ini")
    return {(section, key, value) for section in parser.sections() for key, value in parser[section].items()}


def score(checkout: Checkout, *options: str) -> Run:
    return checkout.main(*RUN_BATCH, *options)


def calculate(checkout: Checkout, expression: str, data: pd.DataFrame) -> Run:
    """Write what the checkout's own code makes of ``data``, as JSON: this process has the code of the project."""
    code = (
        "import json, sys, pandas as pd\n"
        "from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask\n"
        "from gokart_pipeline_sample.pipeline.model.model_input import encode_features\n"
        "from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema\n"
        "data = pd.DataFrame(json.loads(sys.argv[1]))\n"
        f"print(json.dumps({expression}))\n"
    )
    return checkout.execute([sys.executable, "-c", code, json.dumps(data.to_dict("list"))])
