"""When the truth of a published batch is known, its real accuracy is told beside the estimated one."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import read_batch, read_objects
from support.champion import INI, SCORE, Published, Trained, replace_objects
from support.checkout import Checkout, Run
from support.reference import make_noisy_table

pytestmark = pytest.mark.long

EVALUATE = ("gokart_pipeline_sample.EvaluatePublishedTask", "--local-scheduler", "--table")
TRUTH = make_noisy_table(200, seed=2)[["id", "target"]]
LATEST = "batch/latest.json"


@pytest.fixture
def bucket(trained_once: Trained) -> str:
    return trained_once.bucket


def read_evaluation(s3: S3Client, bucket: str) -> dict[str, Any] | None:
    """Read the evaluation of the current batch, if there is one."""
    manifest = json.loads(s3.get_object(Bucket=bucket, Key=LATEST)["Body"].read())["manifest"]
    found = read_objects(s3, bucket).get(manifest.replace("manifest.json", "evaluation.json"))
    return json.loads(found[0]) if found else None


def evaluate(checkout: Checkout, truth: pd.DataFrame, *options: str) -> Run:
    path = checkout.directory / "truth.csv"
    truth.to_csv(path, index=False)
    return checkout.main(*EVALUATE, str(path), *options)


@pytest.fixture
def published(published_batch: Published, bucket: str, s3: S3Client, tmp_path: Path) -> Checkout:
    replace_objects(s3, bucket, published_batch.objects)
    return published_batch.checkout.copy(tmp_path / "checkout")


def put_batch(s3: S3Client, bucket: str, part: bytes) -> None:
    """Put a batch of one part."""
    rows = part.count(b"\n") - 1
    model = {"unique_id": "mine", "accuracy": 0.9}
    parts = [{"key": "batch/mine/part.csv"}]
    manifest = json.dumps({"parts": parts, "rows_published": rows, "model": model, "shift": None}).encode()
    for name, body in (("part.csv", part), ("manifest.json", manifest)):
        metadata = {"sha256": hashlib.sha256(body).hexdigest()}
        s3.put_object(Bucket=bucket, Key=f"batch/mine/{name}", Body=body, Metadata=metadata)


def measure(s3: S3Client, bucket: str, truth: pd.DataFrame) -> tuple[int, float]:
    """Return how many published rows have a truth, and the accuracy on them."""
    joined = read_batch(s3, bucket).published.merge(truth.dropna(), on="id")
    return len(joined), (joined["pred"] == joined["target"]).mean()


class TestAccuracy:
    def test_is_that_of_a_direct_computation(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        # The truth of some rows is not there, that of others is not known yet, and some rows are of other batches.
        known = TRUTH[30:].astype({"target": "Int64"})
        known.loc[known.index[::9], "target"] = pd.NA
        known = pd.concat([known, TRUTH[:5].assign(id=-TRUTH["id"] - 1)])
        before = read_objects(s3, bucket)
        run = evaluate(published, known)

        assert run.exit_code == 0, run.stderr
        assert run.tasks == ["JoinTruthTask"]
        rows, accuracy = measure(s3, bucket, known)
        assert (0 < accuracy < 1, rows) == (True, 170 - 19)
        evaluation, manifest = read_evaluation(s3, bucket), read_batch(s3, bucket).manifest
        assert (evaluation["rows"], evaluation["accuracy"]) == (rows, accuracy)
        value, low, high = evaluation["figures"]["accuracy"]
        assert low < value == accuracy < high
        assert evaluation["estimated"] == [*manifest["shift"]["estimated_accuracy"].values()]
        assert before.items() <= read_objects(s3, bucket).items()

        again = evaluate(published, known)
        assert (again.exit_code, again.tasks) == (0, [])
        assert run.stdout == again.stdout
        estimated = f"{evaluation['estimated'][0]:.4f}"
        gate = "(required: more than 0.2)"
        assert run.stdout.splitlines()[:2] == [f"accuracy   {accuracy:.4f} {gate}", f"rows       {rows}"]
        assert f"estimated  {estimated} (" in run.stdout
        # Another batch, with Parquet parts.
        scored = published.main(*SCORE, "--rows-per-part", "70", "--output-format", "parquet")
        assert scored.exit_code == 0, scored.stderr
        assert read_evaluation(s3, bucket) is None
        assert evaluate(published, known).tasks == ["JoinTruthTask"]
        assert read_evaluation(s3, bucket) == evaluation
        lines = published.main("--history").stdout.splitlines()
        shown = [line.split()[-7:-3] for line in lines if line.endswith("/evaluation.json")]
        assert shown == [[f"{accuracy:.4f}", estimated, "0", str(rows)]] * 3

    def test_leaves_the_report_of_the_batch(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        published.edit(INI, "write=false", "write=true")
        before = read_objects(s3, bucket).keys()
        run = evaluate(published, TRUTH)

        assert run.exit_code == 0, run.stderr
        new = read_objects(s3, bucket).keys() - before
        assert sorted(key.rpartition("/")[2] for key in new) == ["evaluation.html", "evaluation.json"]

    def test_of_a_class_that_elsewhere_means_nothing(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        schema = "gokart_pipeline_sample/pipeline/schemas/iris_feature.py"
        published.edit(schema, "target: Series[int]", "target: Series[str]")
        published.edit(schema, "isin=[0, 1, 2]", 'isin=["NA", "JP", "null"]')
        put_batch(s3, bucket, b'id,pred\n7,"NA"\n8,"JP"\n9,"null"\n10,"NA"\n')
        truth = pd.DataFrame({"id": [7, 8, 9, 10], "target": ["NA", "JP", "null", "JP"]})
        run = evaluate(published, truth, "--manifest", "batch/mine/manifest.json")

        assert run.exit_code == 0, run.stderr
        assert run.stdout.splitlines()[:2] == ["accuracy   0.7500 (required: more than 0.2)", "rows       4"]

    @pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
    def test_of_ids_that_look_like_numbers(self, published: Checkout, bucket: str, s3: S3Client, mark: bytes) -> None:
        """What was published is read with the types of the schema."""
        published.edit("gokart_pipeline_sample/pipeline/schemas/iris_feature.py", "id: Series[int]", "id: Series[str]")
        put_batch(s3, bucket, mark + b'id,pred\n"007",1\n"08",2\n"1e3",0\n')
        truth = pd.DataFrame({"id": ["007", "08", "1000"], "target": [1, 1, 0]})
        run = evaluate(published, truth, "--manifest", "batch/mine/manifest.json")

        assert run.exit_code == 0, run.stderr
        assert run.stdout.splitlines()[:2] == ["accuracy   0.5000 (required: more than 0.2)", "rows       2"]


class TestAlarms:
    TURNED = TRUTH.assign(target=(TRUTH["target"] + 1) % 3)

    def test_ring_though_the_features_are_as_before(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        published.edit(INI, "write=false", "write=true")
        run = evaluate(published, self.TURNED)

        assert run.exit_code == 0, run.stderr
        alarms = read_evaluation(s3, bucket)["alarms"]
        below, unexpected = alarms
        assert below.startswith("accuracy>0.2 is required and it is ")
        assert ", it was estimated as " in unexpected
        for alarm in alarms:
            assert f"WARNING {alarm}" in run.stderr
        assert f"alarms     2: {'; '.join(alarms)}" in run.stdout
        assert "published with 2 alarms" in published.main("--history").stdout
        (page,) = (content for key, (content, _) in read_objects(s3, bucket).items() if key.endswith("evaluation.html"))
        assert b"h1 { margin: 0; font-size: 26px; line-height: 1.2; color: var(--amber); }" in page

    def test_ring_for_other_figures_that_the_gate_requires(
        self, published: Checkout, bucket: str, s3: S3Client
    ) -> None:
        section = "[gokart_pipeline_sample.CheckAccuracyTask]"
        published.edit(INI, section, f"{section}\nrequire=recall[1]>=0.999")
        run = evaluate(published, TRUTH)

        assert run.exit_code == 0, run.stderr
        (alarm,) = read_evaluation(s3, bucket)["alarms"]
        assert alarm.startswith("recall[1]>=0.999 is required and it is 0.")
        assert "published with 1 alarm" in published.main("--history").stdout

    def test_fail_every_run_if_they_shall(self, published: Checkout, bucket: str, s3: S3Client) -> None:
        for tasks in (["JoinTruthTask"], []):
            run = evaluate(published, self.TURNED, "--on-alarm", "fail")
            assert (run.exit_code, run.tasks) == (40, tasks)
            evaluation = read_evaluation(s3, bucket)
            last_line = f"error: EvaluatePublishedTask: {'; '.join(evaluation['alarms'])} (see on_alarm)"
            assert run.stderr.splitlines()[-1] == last_line
            lines = published.main("--history").stdout.splitlines()
            newest = [line for line in lines if line.endswith("/evaluation.json")][-1]
            assert f"{evaluation['accuracy']:.4f}" in newest
        assert evaluate(published, TRUTH, "--on-alarm", "fail").exit_code == 0


@pytest.mark.parametrize(
    ("truth", "last_line"),
    [
        (
            TRUTH.assign(id=TRUTH["id"] + 100_000),
            "{table}: no row of {manifest} is in it: give the truth of that batch",
        ),
        (
            TRUTH.assign(id="flower " + TRUTH["id"].astype(str))[:2],
            "{table}: id breaks dtype('int64') in 2 rows, the first of them with id ['flower {id0}', 'flower {id1}'], "
            "and no other row of {manifest} is in it: give the truth of that batch",
        ),
        (
            TRUTH.assign(id=None)[:2],
            "{table}: id breaks not_nullable in 2 rows, the first of them with id [None, None], "
            "and no other row of {manifest} is in it: give the truth of that batch",
        ),
        (
            pd.concat([TRUTH, TRUTH[3:5]]),
            "the truth has ids that occur more than once, the first of them [{id3}, {id4}]",
        ),
        (
            TRUTH.replace({"target": {2: 7}}),
            "{table}: the target has values that are no class, the first of them [7]",
        ),
    ],
    ids=["of other rows", "without ids that can be read", "without ids", "with duplicates", "of other classes"],
)
def test_a_truth_that_does_not_fit_is_refused(
    published: Checkout, bucket: str, s3: S3Client, truth: pd.DataFrame, last_line: str
) -> None:
    before = read_objects(s3, bucket)
    run = evaluate(published, truth)

    assert run.exit_code == 40
    assert run.stderr.splitlines()[-1] == "error: JoinTruthTask: " + last_line.format(
        table=published.directory / "truth.csv",
        manifest=json.loads(before[LATEST][0])["manifest"],
        id0=TRUTH["id"][0],
        id1=TRUTH["id"][1],
        id3=TRUTH["id"][3],
        id4=TRUTH["id"][4],
    )
    assert read_objects(s3, bucket) == before


def test_what_cannot_be_found_is_named(published: Checkout, bucket: str, s3: S3Client) -> None:
    run = evaluate(published, TRUTH, "--manifest", "batch/none/manifest.json")
    assert run.exit_code == 40
    assert (
        f"s3://{bucket}/batch/none/manifest.json: S3 refuses to read it: "
        "give the key of a manifest, or publish the batch again"
    ) in run.stderr.splitlines()[-1]

    s3.put_object(Bucket=bucket, Key=LATEST, Body=b"{}")
    run = evaluate(published, TRUTH)
    assert run.exit_code == 50
    assert run.stderr.splitlines()[-1] == (
        f"error: EvaluatePublishedTask: s3://{bucket}/{LATEST} is not what a run has put: publish again"
    )
