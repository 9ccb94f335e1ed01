"""A new table takes a schema, a preprocessing function and an ini file: the penguins lie over the project."""

from __future__ import annotations

import configparser
import json
import shutil
import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, RUN_BATCH, read_batch
from support.checkout import CHAIN, PROJECT, Checkout, Run, make_environment

from pipeline_runner.embedded_s3 import EmbeddedS3

EXAMPLE = PROJECT / "examples" / "penguins"
OVERLAY = ("conf", "gokart_pipeline_sample")
PIPELINE = "gokart_pipeline_sample/pipeline"
TASKS = "gokart_pipeline_sample"
MEASUREMENTS = ["bill_length_mm", "bill_depth_mm", "flipper_length_mm", "body_mass_g"]
NEW_PENGUINS = pd.read_csv(EXAMPLE / "new_penguins.csv")
MEASURED = NEW_PENGUINS[MEASUREMENTS].notna().all(axis=1)
TWO_PENGUINS = pd.DataFrame(
    {
        "id": ["PAL0708-N1A1", "PAL0708-N46A1"],
        "species": ["Adelie", "Gentoo"],
        "island": ["Dream", "Biscoe"],
        "bill_length_mm": [36.0, 45.0],
        "bill_depth_mm": [18.0, 15.0],
        "flipper_length_mm": [181.0, 211.0],
        "body_mass_g": [3750.0, 4500.0],
        "delta_15_n": [None, 8.0],
        "delta_13_c": [-25.0, None],
    }
)

BILL_RATIO = "PreprocessTask.add_bill_ratio(data)['bill_ratio'].tolist()"
CATEGORIES = """[
    column.cat.categories.tolist()
    for _, column in PreprocessedSchema.select_features(PreprocessTask.preprocess(data)).items()
    if column.dtype == "category"
]"""


@pytest.fixture(scope="module")
def penguins(server: EmbeddedS3, make_bucket: Callable[[], str], tmp_path_factory: pytest.TempPathFactory) -> Checkout:
    """A project with the example over it, which has published once."""
    environment = make_environment(**{**server.environment(), "BUCKET_NAME": make_bucket()})
    checkout = Checkout.create(tmp_path_factory.mktemp("penguins") / "checkout", environment)
    shutil.copytree(EXAMPLE, checkout.directory / "examples" / "penguins")
    for folder in OVERLAY:
        shutil.copytree(EXAMPLE / folder, checkout.directory / folder, dirs_exist_ok=True)
    run = checkout.main()
    assert run.exit_code == 0, run.stderr
    assert run.tasks == CHAIN
    return checkout


class TestOverlay:
    def test_is_two_schemas_a_function_and_an_ini_file(self) -> None:
        files = [file for folder in OVERLAY for file in (EXAMPLE / folder).rglob("*.*") if file.suffix != ".pyc"]
        names = {file.relative_to(EXAMPLE).as_posix() for file in files}

        assert names == {
            "conf/param.ini",
            f"{PIPELINE}/preprocess.py",
            f"{PIPELINE}/schemas/feature.py",
            f"{PIPELINE}/schemas/penguin_feature.py",
            f"{PIPELINE}/schemas/preprocessed.py",
        }
        assert [name for name in names if not (PROJECT / name).exists()] == [f"{PIPELINE}/schemas/penguin_feature.py"]

    def test_configures_the_tables_and_what_may_be_wrong_with_them(self) -> None:
        assert read_settings(EXAMPLE) ^ read_settings(PROJECT) == {
            (f"{TASKS}.LoadDataTask", "table", "examples/penguins/penguins.csv"),
            (f"{TASKS}.RunBatchTask", "table", "examples/penguins/new_penguins.csv"),
            (f"{TASKS}.RunBatchTask", "on_bad_row", "reject"),
            (f"{TASKS}.RunBatchTask", "max_rejected_share", "0.2"),
            (f"{TASKS}.CheckAccuracyTask", "require_acc", "0.8"),
            (f"{TASKS}.CheckAccuracyTask", "require_acc", "0.9"),
        }

    def test_the_schema_that_it_does_without_makes_no_difference(self, penguins: Checkout, tmp_path: Path) -> None:
        other = penguins.copy(tmp_path / "checkout")
        other.edit(f"{PIPELINE}/schemas/iris_feature.py", "isin=[0, 1, 2]", "isin=[0, 1]")

        run = other.main()

        assert (run.exit_code, run.tasks) == (0, [])


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
        reason = "; ".join(f"{column} breaks not_nullable" for column in sorted(MEASUREMENTS))
        assert batch.rejected["reason"].tolist() == [reason, reason]

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


class TestAddBillRatio:
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
        "from gokart_pipeline_sample.pipeline.schemas import PreprocessedSchema\n"
        "data = pd.DataFrame(json.loads(sys.argv[1]))\n"
        f"print(json.dumps({expression}))\n"
    )
    return checkout.execute([sys.executable, "-c", code, json.dumps(data.to_dict("list"))])
