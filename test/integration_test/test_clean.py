"""What neither a pointer nor one of the last runs needs can be deleted, and nothing else."""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import read_batch, read_objects
from support.champion import OTHER, SCORE, TRAIN, Objects, Trained, read_champion, replace_objects
from support.checkout import Checkout, Run
from support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.long

# With the split of the champions, so that nothing is trained.
SPLIT = ("--gokart-pipeline-sample.SplitDataTask-split-by", "id")
RUN_BATCH = ("gokart_pipeline_sample.RunBatchTask", "--local-scheduler", *SPLIT, "--table")
CLEAN = ("--clean", "--keep", "1", "--min-age", "0")
DIGEST = hashlib.md5(b"whatever", usedforsecurity=False).hexdigest()
# Of a user, with names that look like those of the pipeline.
FILES = ("notes.txt", f"photo_{DIGEST}.csv", f"{DIGEST}.json", f"s3/TrainTask_{DIGEST}.txt", f"s3/{DIGEST}.sha256")
KEYS = (
    "notes.txt",
    f"photo_{DIGEST}.csv",
    f"{DIGEST}/photo.csv",
    f"batch/photo_{DIGEST}.csv",
    f"batch/photos_{DIGEST}/1.csv",
    f"champion/{DIGEST}",
)


@dataclass
class Used:
    """A project that has been in use, its objects, and those of them that only an old run needs."""

    checkout: Checkout
    objects: Objects
    old: set[str]


@pytest.fixture
def bucket(trained_once: Trained) -> str:
    return trained_once.bucket


@pytest.fixture(scope="module")
def used_once(trained_once: Trained, s3: S3Client, tmp_path_factory: pytest.TempPathFactory) -> Used:
    bucket = trained_once.bucket
    replace_objects(s3, bucket, trained_once.other_objects)
    checkout = trained_once.checkout.copy(tmp_path_factory.mktemp("used") / "checkout")
    header, *lines = (checkout.directory / "new.csv").read_text().splitlines(keepends=True)
    (checkout.directory / "old.csv").write_text(header + "".join(lines[:50]))

    def run(*arguments: str) -> None:
        done = checkout.main(*arguments)
        assert done.exit_code == 0, done.stderr

    run(*SPLIT, "--require-acc", "0.1")
    run(*SPLIT)
    run(*RUN_BATCH, "old.csv")
    old = {part["key"].rpartition("/")[0] for part in read_batch(s3, bucket).manifest["parts"]}
    run(*RUN_BATCH, "new.csv")
    run(*SCORE)
    # A champion that another machine was about to put when it died.
    orphan = f"champion/{DIGEST}"
    s3.put_object(Bucket=bucket, Key=f"{orphan}/model.txt", Body=b"tree")
    for name in FILES:
        (checkout.workspace / name).parent.mkdir(exist_ok=True)
        (checkout.workspace / name).write_text("mine")
    for key in KEYS:
        s3.put_object(Bucket=bucket, Key=key, Body=b"mine")
    objects = read_objects(s3, bucket)
    folders = tuple(f"{folder}/" for folder in (*old, orphan))
    return Used(checkout, objects, {key for key in objects if key.startswith(folders)})


@pytest.fixture
def used(used_once: Used, bucket: str, s3: S3Client, tmp_path: Path) -> Checkout:
    replace_objects(s3, bucket, used_once.objects)
    return used_once.checkout.copy(tmp_path / "checkout")


def find_files(checkout: Checkout) -> set[str]:
    return {str(path.relative_to(checkout.workspace)) for path in checkout.workspace.rglob("*") if path.is_file()}


def run_all(checkout: Checkout) -> list[Run]:
    """Run again what has been run last."""
    commands = (SCORE, SPLIT, (*TRAIN, *OTHER), (*RUN_BATCH, "new.csv"))
    return [checkout.main(*command) for command in commands]


class TestWhatIsDeleted:
    def test_is_shown_first_and_no_run_needs_it(
        self, used: Checkout, used_once: Used, bucket: str, s3: S3Client
    ) -> None:
        half_written = used.workspace / "runs" / ".abc_1234" / "half.json"
        half_written.parent.mkdir()
        half_written.write_text("{")
        files, objects = find_files(used), read_objects(s3, bucket)
        young = used.main("--clean", "--keep", "1")
        assert young.stdout.startswith("0 files, 0 objects and 3 of 7 runs\n")
        shown = used.main(*CLEAN)

        assert shown.exit_code == 0, shown.stderr
        *names, summary, advice = shown.stdout.splitlines()
        assert advice == "nothing is deleted: add --yes to delete them"
        assert (find_files(used), read_objects(s3, bucket)) == (files, objects)
        done = used.main(*CLEAN, "--yes")
        assert done.exit_code == 0, done.stderr
        assert done.stdout.splitlines() == [*names, summary]
        deleted = sorted(re.sub("_[0-9a-f]{32}", "", name) for name in files - find_files(used))
        old = ("CheckAccuracyTask.parquet", "GuardTableTask.json")
        assert [name for name in deleted if not name.startswith("runs/")] == [
            f"{name}{digest}" for name in old for digest in ("", ".sha256")
        ]
        assert not half_written.parent.exists()
        assert summary == f"5 files, {len(used_once.old)} objects and 3 of 7 runs"
        assert len(deleted) == 5 + 3
        assert objects.keys() - read_objects(s3, bucket).keys() == used_once.old
        assert {*FILES} <= find_files(used)
        runs = run_all(used)
        assert [run.exit_code for run in runs] == [0, 0, 0, 0]
        # The pointer names the batch of the champion.
        assert [run.tasks for run in runs] == [[], [], [], ["PublishBatchTask"]]

    def test_is_nothing_that_a_pointer_names(self, used: Checkout, bucket: str, s3: S3Client) -> None:
        shutil.rmtree(used.workspace / "runs")
        before, batch, champion = read_objects(s3, bucket), read_batch(s3, bucket), read_champion(s3, bucket)
        run = used.main(*CLEAN, "--yes")

        assert run.exit_code == 0, run.stderr
        assert find_files(used) == {*FILES, "locks/commands.lock"}
        folders = {part["key"].rpartition("/")[0] for part in batch.manifest["parts"]}
        folders |= {champion.pointer[name].rpartition("/")[0] for name in ("champion", "previous")}
        kept = {key for key in before if key.startswith(tuple(f"{folder}/" for folder in folders))}
        pointers = {"batch/latest.json", "champion/champion.json"}
        assert read_objects(s3, bucket).keys() == kept | pointers | {*KEYS, "output.csv"}
        assert used.main(*SCORE).tasks == []

    def test_may_be_in_a_workspace_on_s3(self, used: Checkout, bucket: str, s3: S3Client) -> None:
        local = used.main(*CLEAN)
        for name in find_files(used):
            content = (used.workspace / name).read_bytes()
            metadata = {"task-unique-id": name, "sha256": hashlib.sha256(content).hexdigest()}
            if not name.endswith(".sha256"):
                request = {"Bucket": bucket, "Key": f"work/{name}", "Body": content, "ChecksumAlgorithm": "SHA256"}
                s3.put_object(**request, Metadata={} if name in FILES else metadata)
        shutil.rmtree(used.workspace)
        used.use_workspace(f"s3://{bucket}/work")
        before = read_objects(s3, bucket).keys()
        run = used.main(*CLEAN, "--yes")

        assert run.exit_code == 0, run.stderr
        deleted = {f"s3://{bucket}/{key}" for key in before - read_objects(s3, bucket).keys()}
        expected = {line.replace(str(used.workspace), f"s3://{bucket}/work") for line in local.stdout.splitlines()[:-2]}
        expected = {url for url in expected if not url.endswith(".sha256")}
        assert {url for url in deleted if "/runs/" not in url} == expected
        assert any("/work/" in url for url in expected)
        assert [line for line in run.stdout.splitlines() if line.startswith("0 files, ")]
        assert used.main(*SCORE).tasks == []


class TestNothingIsDeleted:
    def test_while_a_run_is_going_on(self, used: Checkout, bucket: str, s3: S3Client, proxy: RecordingProxy) -> None:
        objects, asked, may_go_on = read_objects(s3, bucket), threading.Event(), threading.Event()

        def hold(_: str, path: str) -> None:
            if path.endswith("latest.json"):
                asked.set()
                may_go_on.wait(60)

        proxy.before = hold
        runs: list[Run] = []
        running = threading.Thread(target=lambda: runs.append(used.main(*SCORE, AWS_ENDPOINT_URL=proxy.endpoint)))
        running.start()
        assert asked.wait(60)
        files = find_files(used)
        refused = used.main(*CLEAN, "--yes")
        seen = find_files(used), read_objects(s3, bucket)
        may_go_on.set()
        running.join()

        assert refused.exit_code == 2
        assert refused.stderr.splitlines()[-1] == "error: a command of the pipeline is running: wait until it ends"
        assert seen == (files, objects)
        assert (runs[0].exit_code, runs[0].tasks) == (0, [])

    @pytest.mark.parametrize("pointer", ["batch/latest.json", "champion/champion.json"])
    def test_if_a_pointer_is_damaged(self, used: Checkout, bucket: str, s3: S3Client, pointer: str) -> None:
        _, metadata = read_objects(s3, bucket)[pointer]
        s3.put_object(Bucket=bucket, Key=pointer, Body=b"{}", Metadata=metadata)
        files, objects = find_files(used), read_objects(s3, bucket)
        run = used.main(*CLEAN, "--yes")

        assert run.exit_code == 2
        assert run.stderr.splitlines()[-1] == (
            f"error: s3://{bucket}/{pointer} is not what a run has put: mend it first"
        )
        assert (find_files(used), read_objects(s3, bucket)) == (files, objects)

    @pytest.mark.parametrize(
        ("options", "exit_code", "line"),
        [
            (("--keep", "0"), 2, "error: argument --keep: at least 1; argument --min-age: at least 0"),
            (("--min-age", "-1"), 2, "error: argument --keep: at least 1; argument --min-age: at least 0"),
            (("--keep", "some"), 2, "error: argument --keep: invalid int value: 'some'"),
            (("--min-ages", "0"), 2, "error: unrecognized arguments: --min-ages 0"),
            (("--help",), 0, "--yes            delete it"),
        ],
    )
    def test_by_wrong_options(self, used: Checkout, options: tuple[str, ...], exit_code: int, line: str) -> None:
        files = find_files(used)
        run = used.main("--clean", "--yes", *options)

        assert run.exit_code == exit_code
        assert line in (run.stderr or run.stdout).splitlines()[-1]
        assert find_files(used) == files
