"""A batch that is killed goes on where it stopped, and no reader ever sees half of one."""

from __future__ import annotations

import itertools
import re
import signal
import subprocess
import sys

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, make_flowers, read_batch, read_objects
from support.champion import replace_objects
from support.checkout import Checkout
from support.recording_proxy import RecordingProxy

pytestmark = pytest.mark.long


def test_a_batch_that_is_killed_again_and_again_goes_on(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    older, newer = (published.directory / name for name in ("older.csv", "newer.csv"))
    make_flowers(5).to_csv(older, index=False)
    flowers = make_flowers(10)
    flowers.loc[1, "petal_width"] = -1.0
    flowers.to_csv(newer, index=False)
    assert published.main(*RUN_BATCH, "--table", str(older)).exit_code == 0
    before = read_objects(s3, bucket)
    reject = ("--on-bad-row", "reject", "--max-rejected-share", "0.5")
    command = [*RUN_BATCH, "--table", str(newer), "--rows-per-part", "3", *reject]
    puts: list[str] = []
    rows_seen: list[int] = []

    def look(method: str, path: str) -> None:
        if method == "PUT":
            puts.append(re.sub(".*/[0-9a-f]{32}/|.*/batch/", "", path))
            rows_seen.append(read_batch(s3, bucket).manifest["rows_in"])

    def run_until_third_put(kill: str) -> None:
        """Run the batch and kill it at its third put: before that reaches the server, or after it did."""
        count = itertools.count(1)

        def cut(method: str, _: str) -> None:
            if method == "PUT" and next(count) == 3:
                process.kill()
                process.wait()
                raise ConnectionAbortedError

        def look_and_cut(method: str, path: str) -> None:
            look(method, path)
            cut(method, path)

        proxy.before, proxy.after = (cut, look) if kill == "before" else (ignore, look_and_cut)
        environment = {**published.environment, "AWS_ENDPOINT_URL": proxy.endpoint}
        main = [sys.executable, str(published.directory / "main.py"), *command]
        with subprocess.Popen(main, env=environment, stderr=subprocess.DEVNULL) as process:
            pass
        assert process.returncode == -signal.SIGKILL

    for kill in ("after", "before"):
        run_until_third_put(kill)
    proxy.before, proxy.after = ignore, look
    last = published.main(*command, AWS_ENDPOINT_URL=proxy.endpoint)

    assert last.exit_code == 0, last.stderr
    assert last.tasks == ["ScoreTableTask", "PublishBatchTask"]
    parts = [f"part-0000{number}.csv" for number in range(4)]
    # Two parts are made at a time; the rejected rows of a part are put before it, and its figures after it.
    notes = "figures/00000.json"
    assert puts.index(f"rejected/{parts[0]}") < puts.index(parts[0])
    assert all(notes in puts[puts.index(part) :] for part in parts)
    assert set(puts[:-2]) == {f"rejected/{parts[0]}", *parts, notes}
    assert puts[-2:] == ["manifest.json", "latest.json"]
    assert rows_seen == [5] * (len(puts) - 1) + [10]
    resumed = read_objects(s3, bucket)
    replace_objects(s3, bucket, before)
    assert published.main(*command).exit_code == 0
    assert read_objects(s3, bucket) == resumed
    assert len(resumed) == len(before) + 7


def test_a_run_that_goes_on_does_not_ask_for_each_part(
    published: Checkout, proxy: RecordingProxy, bucket: str, s3: S3Client
) -> None:
    flowers = make_flowers(40)
    flowers.to_csv(published.directory / "new.csv", index=False)
    command = [*RUN_BATCH, "--table", str(published.directory / "new.csv"), "--rows-per-part", "1"]
    assert published.main(*command).exit_code == 0
    before = read_objects(s3, bucket)
    for key in before:
        if key.endswith(("manifest.json", "part-00003.csv")):
            s3.delete_object(Bucket=bucket, Key=key)
        if key.endswith("part-00039.csv"):
            s3.put_object(Bucket=bucket, Key=key, Body=b"id,pred\n0,0\n", Metadata=before[key][1])

    last = published.main(*command, AWS_ENDPOINT_URL=proxy.endpoint)

    assert (last.exit_code, last.tasks) == (0, ["ScoreTableTask"]), last.stderr
    assert read_objects(s3, bucket) == before
    asked = [(method, path.rpartition("/")[2]) for method, path in proxy.requests if "/batch/" in path]
    made = ["00000.json", "00002.json", "part-00003.csv", "part-00039.csv"]
    assert sorted(name for method, name in asked if method == "PUT" and name != "manifest.json") == made
    assert not [name for _, name in asked if "part-" in name and name not in made]
    # The notes on 40 parts, 16 at a time.
    notes = [f"0000{group}.json" for group in range(3)]
    assert [name for method, name in asked if method == "GET" and name in notes] == notes


def ignore(*_: str) -> None:
    """Let a request pass."""
