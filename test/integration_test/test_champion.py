"""The model in use: a new one becomes the champion only if it is not worse, and whoever scores gets a whole one."""

from __future__ import annotations

import itertools
import json
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pandas as pd
import pytest
from mypy_boto3_s3 import S3Client
from support.batch import BATCH_CHAIN, read_batch, read_objects
from support.champion import (
    INI,
    NEW_ROWS,
    OTHER,
    POINTER,
    REQUIRE,
    SCORE,
    TRAIN,
    WORSE,
    Champion,
    Trained,
    read_champion,
    replace_objects,
    use_fraud_table,
)
from support.checkout import Checkout, Run
from support.recording_proxy import RecordingProxy
from support.reference import predict

RUN_BATCH = ("gokart_pipeline_sample.RunBatchTask", "--local-scheduler", "--table", "new.csv", "--prefix", "other")


@pytest.fixture
def bucket(trained_once: Trained) -> str:
    return trained_once.bucket


@pytest.fixture
def first(trained: Checkout, s3: S3Client) -> Champion:
    """The champion at the beginning of a test."""
    return read_champion(s3, trained.environment["BUCKET_NAME"])


@pytest.fixture
def second(trained_once: Trained, first: Champion, s3: S3Client) -> Champion:
    """The champion that is promoted after the first one at the beginning of a test."""
    replace_objects(s3, trained_once.bucket, trained_once.other_objects)
    found = read_champion(s3, trained_once.bucket)
    assert found.pointer["previous"] == first.pointer["champion"]
    return found


def last_line(run: Run) -> str:
    return run.stderr.splitlines()[-1]


def start(checkout: Checkout, proxy: RecordingProxy, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(checkout.directory / "main.py"), *arguments],
        env={**checkout.environment, "AWS_ENDPOINT_URL": proxy.endpoint},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def score_test_rows(checkout: Checkout, champion: Champion) -> tuple[float, int]:
    """Return the accuracy on the test rows, and their number."""
    (path,) = checkout.workspace.glob("SplitDataTask_test_*.parquet")
    test = pd.read_parquet(path)
    return (predict(champion.model, test)["pred"].to_numpy() == test["target"].to_numpy()).mean(), len(test)


class TestTrain:
    def test_the_first_model_becomes_the_champion(self, trained_once: Trained, first: Champion, bucket: str) -> None:
        assert trained_once.run.tasks[-1] == "ChooseChampionTask"
        assert trained_once.run.stdout.splitlines() == [
            f"accuracy   {first.document['accuracy']:.4f} (required: more than 0.2)",
            "champion   promoted: there was no champion",
            f"published  s3://{bucket}/{POINTER}",
            f"fetch      {trained_once.checkout.command} --fetch s3://{bucket}/{POINTER}",
        ]
        files = ("document.json", "model.txt", "reference.json")
        assert trained_once.objects.keys() == {POINTER, *(f"champion/{first.name}/{name}" for name in files)}
        accuracy = first.document["accuracy"], first.document["rows"]
        assert accuracy == score_test_rows(trained_once.checkout, first)
        assert first.pointer["previous"] is None

    def test_the_same_model_is_not_considered_again(self, trained: Checkout, proxy: RecordingProxy) -> None:
        run = trained.main(*TRAIN, AWS_ENDPOINT_URL=proxy.endpoint)

        assert (run.exit_code, run.tasks) == (0, [])
        assert proxy.count("PUT") == 0
        record = json.loads(max((trained.workspace / "runs").glob("*_up-to-date.json")).read_text())
        assert (record["verdict"], record["champion"]) == ("up to date", "promoted: there was no champion")

    def test_another_model_that_is_not_worse_is_promoted(
        self, trained_once: Trained, first: Champion, second: Champion
    ) -> None:
        (new, _), (old, _) = (score_test_rows(trained_once.checkout, each) for each in (second, first))
        decision = second.pointer["decision"]
        assert decision.startswith(f"promoted: the accuracy changes by {new - old:+.4f} (95% interval ")
        assert f"champion   {decision}" in trained_once.other_run.stdout
        before, after = trained_once.objects, trained_once.other_objects
        assert {key for key in before if before[key] != after[key]} == {POINTER}

    def test_a_worse_model_is_kept_out(self, trained: Checkout, first: Champion, bucket: str, s3: S3Client) -> None:
        before = read_objects(s3, bucket)
        run = trained.main(*TRAIN, *WORSE)

        assert run.exit_code == 0, run.stderr
        now = read_champion(s3, bucket)
        assert (now.document, now.pointer["since"]) == (first.document, first.pointer["since"])
        assert now.pointer["decision"].startswith("kept: the accuracy would change by -0.")
        assert now.pointer["decision"].endswith(", and the margin is 0.01")
        assert f"WARNING the champion is {now.pointer['decision']}" in run.stderr
        record = json.loads(max((trained.workspace / "runs").glob("*.json")).read_text())
        assert record["verdict"] == "champion kept"
        assert {**read_objects(s3, bucket), POINTER: before[POINTER]} == before

    def test_a_model_that_fails_the_gate_changes_nothing(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client
    ) -> None:
        required = f"{first.document['accuracy'] - 0.001:.4f}"
        beside = trained.main(*TRAIN, *WORSE, "--require-acc", required)
        assert beside.exit_code == 0, beside.stderr
        now = read_champion(s3, bucket)
        assert now.document == first.document
        assert now.pointer["decision"].startswith(f"kept: the new model fails, accuracy>{required} is required and it")

        replace_objects(s3, bucket, {})
        alone = trained.main(*TRAIN, "--require-acc", "0.99")
        assert alone.exit_code == 40
        reason = f"accuracy>0.99 is required and it is {first.document['accuracy']:.4g}"
        assert last_line(alone) == (
            f"error: ChooseChampionTask: the new model fails, {reason}; there was no champion: nothing is put"
        )
        assert read_objects(s3, bucket) == {}

    @pytest.mark.parametrize("option", ["--split-by", "--gokart-pipeline-sample.SplitDataTask-split-by"])
    def test_a_split_at_random_is_refused_before_anything_runs(self, trained: Checkout, option: str) -> None:
        run = trained.main(*TRAIN, option, "random")

        assert (run.exit_code, run.tasks) == (50, [])
        assert "with split_by=random the champion may know the test rows" in last_line(run)

    @pytest.mark.long
    def test_a_champion_of_another_split_is_not_compared(self, trained: Checkout, bucket: str, s3: S3Client) -> None:
        before, split = read_objects(s3, bucket), ("--gokart-pipeline-sample.SplitDataTask-test-fraction", "0.3")
        run = trained.main(*TRAIN, *split)

        assert run.exit_code == 40
        assert "ChooseChampionTask: the champion was trained on another split, " in last_line(run)
        assert last_line(run).endswith(f"set SplitDataTask back, or delete s3://{bucket}/{POINTER}")
        assert read_objects(s3, bucket) == before
        s3.delete_object(Bucket=bucket, Key=POINTER)
        assert trained.main(*TRAIN, *split).exit_code == 0
        assert read_champion(s3, bucket).document["split"]["test_fraction"] == 0.3


@pytest.mark.long
def test_a_champion_meets_the_gate_of_today(checkout: Checkout, s3: S3Client) -> None:
    """It finds no fraud at all, and is right more often than the next model, which finds half of it."""
    bucket, balanced = (
        checkout.environment["BUCKET_NAME"],
        ("--gokart-pipeline-sample.TrainTask-class-weight", "balanced"),
    )
    replace_objects(s3, bucket, {})
    use_fraud_table(checkout)
    assert checkout.main(*TRAIN).exit_code == 0
    blind = read_champion(s3, bucket)
    assert blind.document["accuracy"] > 0.97

    kept = checkout.main(*TRAIN, *balanced)
    assert kept.exit_code == 0, kept.stderr
    assert read_champion(s3, bucket).pointer["decision"].startswith("kept: the accuracy would change by -0.2")

    before = read_objects(s3, bucket)
    both = checkout.main(*TRAIN, *balanced, *REQUIRE, "recall[1]>=0.9")
    assert (both.exit_code, read_objects(s3, bucket)) == (40, before)
    assert re.fullmatch(
        r"error: ChooseChampionTask: the new model fails, recall\[1\]>=0.9 is required and it is 0.4\d+; "
        r"the champion fails today's gate, recall\[1\]>=0.9 is required and it is 0: nothing is put",
        last_line(both),
    )

    promoted = checkout.main(*TRAIN, *balanced, *REQUIRE, "recall[1]>=0.3")
    assert promoted.exit_code == 0, promoted.stderr
    seeing = read_champion(s3, bucket)
    assert seeing.pointer["decision"] == (
        "promoted: the champion fails today's gate, recall[1]>=0.3 is required and it is 0"
    )
    assert seeing.pointer["previous"] == blind.pointer["champion"]

    again = checkout.main(*TRAIN, "--compare", "recall[1]")
    assert again.exit_code == 0, again.stderr
    now = read_champion(s3, bucket)
    assert now.pointer["decision"].startswith("kept: the recall[1] would change by -0.4")
    assert now.name == seeing.name

    losing = checkout.main(*TRAIN, "--compare", "log_loss", "--margin", "0.02")
    assert losing.exit_code == 0, losing.stderr
    assert read_champion(s3, bucket).pointer["decision"].startswith("promoted: the log_loss changes by -0.")


@pytest.mark.long
class TestChangedCode:
    """The champion was trained on features that other code has made."""

    PROMOTED = "promoted: the champion cannot predict any more, because the preprocessing has changed"

    def test_of_the_features_needs_another_model(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client
    ) -> None:
        features = "gokart_pipeline_sample/pipeline/preprocess.py"
        trained.edit(features, "return length * width", "return 2 * length * width")
        refused = trained.main(*SCORE)

        assert (refused.exit_code, refused.tasks) == (50, [])
        assert last_line(refused) == (
            "error: ScoreChampionTask: the preprocessing has changed since the champion was trained: "
            "train another (TrainChampionTask)"
        )
        run = trained.main(*TRAIN)
        assert run.exit_code == 0, run.stderr
        now = read_champion(s3, bucket)
        assert (now.name == first.name, now.pointer["decision"]) == (False, self.PROMOTED)

    def test_that_the_model_does_not_depend_on_needs_another_document(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client
    ) -> None:
        trained.edit(
            "gokart_pipeline_sample/pipeline/pred.py",
            'choose_engines("auto", model, 0)',
            'choose_engines("auto", model, 1 - 1)',
        )
        run = trained.main(*TRAIN)

        assert run.exit_code == 0, run.stderr
        assert "TrainTask" not in run.tasks
        now = read_champion(s3, bucket)
        assert (now.document["task"], now.pointer["decision"]) == (first.document["task"], self.PROMOTED)
        assert now.document["preprocessing"] != first.document["preprocessing"]


class TestScore:
    def test_needs_neither_training_table_nor_workspace(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client, tmp_path: Path
    ) -> None:
        elsewhere = Checkout.create(tmp_path / "elsewhere", trained.environment)
        for name in (INI, "new.csv"):
            (elsewhere.directory / name).write_bytes((trained.directory / name).read_bytes())
        run = elsewhere.main(*SCORE)

        assert run.exit_code == 0, run.stderr
        assert run.tasks == BATCH_CHAIN
        batch = read_batch(s3, bucket)
        assert batch.published.equals(predict(first.model, NEW_ROWS))
        assert batch.manifest["champion"] == first.pointer
        split = ("--gokart-pipeline-sample.SplitDataTask-split-by", "id")
        assert trained.main(*RUN_BATCH, *split).exit_code == 0
        of_run_batch = read_batch(s3, bucket, "other").manifest
        assert of_run_batch["champion"] is None
        digests = [[part["sha256"] for part in each["parts"]] for each in (batch.manifest, of_run_batch)]
        assert digests[0] == digests[1]
        assert batch.manifest["shift"] == of_run_batch["shift"]

    def test_fails_without_a_champion(self, trained: Checkout, bucket: str, s3: S3Client) -> None:
        s3.delete_object(Bucket=bucket, Key=POINTER)
        before = read_objects(s3, bucket)
        run = trained.main(*SCORE)

        assert (run.exit_code, run.tasks) == (50, [])
        assert last_line(run) == (
            f"error: ScoreChampionTask: s3://{bucket}/{POINTER} does not exist: train a champion (TrainChampionTask)"
        )
        assert read_objects(s3, bucket) == before


@pytest.mark.long
class TestGoBack:
    def test_to_the_champion_before(
        self, trained: Checkout, first: Champion, second: Champion, bucket: str, s3: S3Client
    ) -> None:
        assert trained.main(*SCORE).tasks == BATCH_CHAIN
        assert read_batch(s3, bucket).published.equals(predict(second.model, NEW_ROWS))

        back = trained.main("--champion", first.name[:12])
        assert back.exit_code == 0, back.stderr
        now = read_champion(s3, bucket)
        assert (now.name, now.pointer["previous"]) == (first.name, second.pointer["champion"])
        *lines, decision = back.stdout.splitlines()
        assert {line.split("  ")[0]: line.split("  ")[2:] for line in lines} == {
            first.name: [f"accuracy {first.document['accuracy']:.4f}", f"champion since {now.pointer['since'][:19]}"],
            second.name: [f"accuracy {second.document['accuracy']:.4f}"],
        }
        assert decision == f"the champion is set by hand: --champion {first.name[:8]}"

        assert trained.main(*SCORE).tasks == ["ScoreTableTask", "PublishBatchTask"]
        assert read_batch(s3, bucket).published.equals(predict(first.model, NEW_ROWS))
        again = trained.main(*TRAIN, *OTHER)
        assert (again.exit_code, again.tasks) == (0, [])
        assert read_champion(s3, bucket).name == first.name

    def test_a_name_must_begin_that_of_one_champion(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client
    ) -> None:
        twin = f"champion/{first.name[:-1]}x/document.json"
        s3.copy_object(Bucket=bucket, Key=twin, CopySource={"Bucket": bucket, "Key": first.pointer["champion"]})
        before = read_objects(s3, bucket)
        for wanted, count in ((first.name[:6], 2), ("no-such-name", 0)):
            run = trained.main("--champion", wanted)
            assert run.exit_code == 2
            assert last_line(run) == f"error: {count} champions have a name that begins with {wanted}: see --champion"
        assert read_objects(s3, bucket) == before


@pytest.mark.long
class TestKill:
    def test_at_any_put_leaves_a_whole_champion(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        """What is put: the model, what new rows are compared with, the document, and the pointer."""
        seen = []
        for number, place in ((1, "before"), (1, "after"), (2, "after"), (3, "after"), (4, "before"), (4, "after")):
            puts = itertools.count(1)

            def kill(method: str, _: str, number: int = number, puts: itertools.count[int] = puts) -> None:
                if method == "PUT" and next(puts) == number:
                    process.kill()
                    process.wait()
                    raise ConnectionAbortedError

            setattr(proxy, place, kill)
            with start(trained, proxy, *TRAIN, *OTHER) as process:
                process.communicate()
            setattr(proxy, place, lambda *_: None)
            assert process.returncode == -signal.SIGKILL
            seen.append(read_champion(s3, bucket).name == first.name)
        run = trained.main(*TRAIN, *OTHER)

        assert seen == [True] * 5 + [False]
        assert (run.exit_code, run.tasks) == (0, [])
        assert read_champion(s3, bucket).pointer["previous"] == first.pointer["champion"]


@pytest.mark.long
class TestAtOnce:
    def test_one_of_two_wins(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        replace_objects(s3, bucket, {})
        commands = [TRAIN, (*TRAIN, *OTHER)]
        put, both_have_read = ("PUT", f"/{bucket}/{POINTER}"), threading.Barrier(2, timeout=60)
        proxy.before = lambda method, path: both_have_read.wait() if (method, path) == put else None
        running = [start(trained, proxy, *command) for command in commands]
        errors = [process.communicate()[1] for process in running]
        proxy.before = lambda *_: None

        assert sorted(process.returncode for process in running) == [0, 40], errors
        loser = [process.returncode for process in running].index(40)
        assert (
            errors[loser]
            .splitlines()[-1]
            .startswith(
                f"error: ChooseChampionTask: s3://{bucket}/{POINTER}: S3 refuses to put it: "
                "it has changed meanwhile: run again"
            )
        )
        winner = read_champion(s3, bucket)
        assert (winner.name == first.name, winner.pointer["previous"]) == (loser == 1, None)
        run = trained.main(*commands[loser], "--margin", "0.5")
        assert run.exit_code == 0, run.stderr
        assert read_champion(s3, bucket).pointer["previous"] == winner.pointer["champion"]

    def test_a_run_whose_pointer_is_replaced_at_once_has_succeeded(
        self, trained: Checkout, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        content, metadata = read_objects(s3, bucket)[POINTER]

        def replace(method: str, path: str) -> None:
            if (method, path) == ("PUT", f"/{bucket}/{POINTER}"):
                s3.put_object(Bucket=bucket, Key=POINTER, Body=content, Metadata=metadata)

        proxy.after = replace
        run = trained.main(*TRAIN, *OTHER, AWS_ENDPOINT_URL=proxy.endpoint)

        assert run.exit_code == 0, run.stderr


@pytest.mark.long
class TestDamage:
    def test_of_the_pointer_is_named_and_mended_by_hand(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client
    ) -> None:
        content, metadata = read_objects(s3, bucket)[POINTER]
        s3.put_object(Bucket=bucket, Key=POINTER, Body=content.replace(b"null", b"none"), Metadata=metadata)
        for command, task in ((SCORE, "ScoreChampionTask"), (TRAIN, "ChooseChampionTask")):
            run = trained.main(*command)
            assert run.exit_code in (40, 50)
            assert last_line(run) == (
                f"error: {task}: s3://{bucket}/{POINTER} is not what a run has put: delete it, and go back (--champion)"
            )
        s3.delete_object(Bucket=bucket, Key=POINTER)
        assert trained.main("--champion", first.name).exit_code == 0
        assert read_champion(s3, bucket).document == first.document
        run = trained.main(*TRAIN)
        assert run.exit_code == 0, run.stderr
        assert read_champion(s3, bucket).pointer["decision"] == "kept: the new model is the same"

    @pytest.mark.parametrize(("name", "body"), [("document.json", b"{}"), ("reference.json", None)])
    def test_of_the_champion_is_named_and_it_is_made_again(
        self, trained: Checkout, first: Champion, bucket: str, s3: S3Client, name: str, body: bytes | None
    ) -> None:
        before, key = read_objects(s3, bucket), f"champion/{first.name}/{name}"
        s3.delete_object(Bucket=bucket, Key=key)
        if body is not None:
            s3.put_object(Bucket=bucket, Key=key, Body=body, Metadata=before[key][1])

        refused = trained.main(*SCORE)
        assert refused.exit_code == 50
        assert last_line(refused) == (
            f"error: ScoreChampionTask: s3://{bucket}/{first.pointer['champion']} is missing or damaged, "
            "or a file beside it: go back (--champion), or train a champion (TrainChampionTask)"
        )
        run = trained.main(*TRAIN)
        assert run.exit_code == 0, run.stderr
        now = read_champion(s3, bucket)
        assert now.pointer["decision"] == "promoted: the champion was damaged"
        assert now.pointer["previous"] is None
        assert {**read_objects(s3, bucket), POINTER: before[POINTER]} == before

    def test_is_shown_beside_the_other_champions(
        self, trained: Checkout, first: Champion, second: Champion, bucket: str, s3: S3Client
    ) -> None:
        s3.put_object(Bucket=bucket, Key=second.document["model"]["key"], Body=b"tree")

        refused = trained.main("--champion", second.name[:8])
        assert (refused.exit_code, last_line(refused)) == (
            2,
            f"error: s3://{bucket}/{second.pointer['champion']} is damaged, or a file beside it: "
            "choose another champion",
        )
        back = trained.main("--champion", first.name[:8])
        assert back.exit_code == 0, back.stderr
        states = {line.split()[0]: line.split()[3] for line in back.stdout.splitlines()[:2]}
        assert states == {first.name: "accuracy", second.name: "damaged"}
        assert read_champion(s3, bucket).name == first.name

    def test_is_not_concluded_from_an_error_of_s3(
        self, trained: Checkout, bucket: str, s3: S3Client, proxy: RecordingProxy
    ) -> None:
        before = read_objects(s3, bucket)
        proxy.weather = lambda _, path: "expired token" if path.endswith("/document.json") else ""
        run = trained.main(*TRAIN, *OTHER, AWS_ENDPOINT_URL=proxy.endpoint)

        assert run.exit_code == 40
        assert "document.json: S3 refuses to " in last_line(run)
        assert read_objects(s3, bucket) == before
