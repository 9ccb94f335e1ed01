"""Faults for whole runs. After each of them the published rows are right, or nothing was published and it was said why.

Each scenario yields an attempt at a time, named by its fault: True if it held.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightgbm as lgb
import pandas as pd
import pyarrow.parquet as pq
from adbc_driver_manager import Error
from mypy_boto3_s3 import S3Client
from support.bad_tables import BAD_TABLES
from support.batch import RUN_BATCH, read_batch
from support.checkout import Checkout
from support.databases import Database, serving
from support.recording_proxy import LASTING_FAULTS, PASSING_FAULTS, RecordingProxy
from support.reference import make_noisy_table, predict, train

from pipeline_runner.local_s3 import embedded_s3

Attempt = tuple[str, bool, str]  # the fault, whether it held, and what was seen
LARGE_QUERY = "SELECT id, id / 8.0::float8 AS a, -id AS b, -id AS c, -id AS d FROM generate_series(1, 2000000) AS id"
KILLED = -signal.SIGKILL
ACCURACY = "0.3"
DELIVER = (
    "gokart_pipeline_sample.DeliverBatchTask",
    "--local-scheduler",
    "--source",
    "warehouse",
    "--into",
    "predictions",
)


@dataclass
class Storm:
    """A project on a noisy table, with its right answer, and a bucket of its own behind a proxy."""

    checkout: Checkout
    s3: S3Client
    bucket: str
    proxy: RecordingProxy
    generator: random.Random
    model: lgb.Booster
    expected: pd.DataFrame
    new_rows: pd.DataFrame

    @classmethod
    def create(cls, checkout: Checkout, s3: S3Client, proxy: RecordingProxy, seed: int) -> Storm:
        """Put the tables into the project folder and compute the right answer."""
        table = make_noisy_table()
        table.to_csv(checkout.directory / "train.csv", index=False)
        new_rows = make_noisy_table(500, seed=2).drop(columns="target")
        new_rows.to_parquet(checkout.directory / "new.parquet", index=False)
        checkout.edit("conf/param.ini", "require_acc=0.9", f"require_acc={ACCURACY}")
        checkout.edit("conf/param.ini", "[core]", "[gokart_pipeline_sample.LoadDataTask]\ntable=train.csv\n\n[core]")
        model, test = train(table)
        bucket = checkout.environment["BUCKET_NAME"]
        generator = random.Random(seed)
        return cls(checkout, s3, bucket, proxy, generator, model, predict(model, test), new_rows)

    @property
    def batch(self) -> tuple[str, ...]:
        return (*RUN_BATCH, "--table", "new.parquet", "--rows-per-part", "150", "--workspace-directory", "resources")

    def start(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """Start a run in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "main.py", *arguments],
            cwd=self.checkout.directory,
            env={**self.checkout.environment, "AWS_ENDPOINT_URL": self.proxy.endpoint, **variables},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *arguments: str, **variables: str) -> tuple[int, str]:
        """Run to the end; return the exit code and the last line on stderr."""
        with self.start(*arguments, **variables) as process:
            errors = process.communicate(timeout=120)[1].splitlines()
        return process.returncode, errors[-1] if errors else ""

    def is_right(self) -> bool:
        """Return whether the published test rows are the expected ones."""
        content = self.s3.get_object(Bucket=self.bucket, Key="output.csv")["Body"].read()
        return pd.read_csv(io.BytesIO(content)).equals(self.expected)

    def is_batch_right(self, rows: pd.DataFrame | None = None) -> bool:
        """Return whether the published batch has the expected predictions of the new rows."""
        batch = read_batch(self.s3, self.bucket)
        expected = predict(self.model, self.new_rows if rows is None else rows)
        return batch is not None and batch.published.equals(expected)

    def is_published(self, key: str) -> bool:
        """Return whether an object is in the bucket."""
        objects = self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", [])
        return any(item["Key"] == key for item in objects)

    def forget(self, keep_workspace: bool = False) -> None:
        """Begin anew: an empty bucket and an empty workspace."""
        for item in self.s3.list_objects_v2(Bucket=self.bucket).get("Contents", []):
            self.s3.delete_object(Bucket=self.bucket, Key=item["Key"])
        if not keep_workspace:
            shutil.rmtree(self.checkout.workspace, ignore_errors=True)

    def kill_at_random(self, process: subprocess.Popen[str], longest: float) -> bool:
        """Kill all processes of a run within so many seconds; return whether it was still running."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(self.generator.uniform(0.3, longest))
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        return process.returncode == KILLED


def kill_at_random_moments(storm: Storm, batch: bool, workers: int, kills: int) -> Iterator[Attempt]:
    """Kill a cold run again and again until it comes to its end."""
    arguments = (*(storm.batch if batch else ()), "--workers", str(workers))
    name = f"SIGKILL at a random moment: {'RunBatchTask' if batch else 'RunTask'}, {workers} worker(s)"
    check = storm.is_batch_right if batch else storm.is_right
    done = 0
    while done < kills:
        storm.forget()
        killed = 0
        while killed < 5 and storm.kill_at_random(storm.start(*arguments), 3.5):
            killed += 1
        code, line = storm.run(*arguments)
        held = code == 0 and check()
        done += killed
        yield from [(name, held, f"{code} {line}")] * killed


def kill_at_each_request(storm: Storm, batch: bool, place: str) -> Iterator[Attempt]:
    """Kill a run at each of its requests in turn: before S3 sees the request, or when it has answered."""
    arguments = storm.batch if batch else ()
    name = f"SIGKILL {place} a request: {'RunBatchTask' if batch else 'RunTask'}"
    check = storm.is_batch_right if batch else storm.is_right
    storm.forget()
    assert storm.run(*arguments)[0] == 0
    for number in itertools.count(1):
        storm.forget(keep_workspace=True)
        if not _kill_at_request(storm, arguments, place, number):
            return
        code, line = storm.run(*arguments)
        yield name, code == 0 and check(), f"request {number}: {code} {line}"


def _kill_at_request(storm: Storm, arguments: tuple[str, ...], place: str, number: int) -> bool:
    """Kill a run at one of its requests; return whether it made so many."""
    requests = itertools.count(1)
    processes: list[subprocess.Popen[str]] = []

    def cut(*_: str) -> None:
        if next(requests) == number:
            os.killpg(processes[0].pid, signal.SIGKILL)
            raise ConnectionAbortedError

    setattr(storm.proxy, place, cut)
    processes.append(storm.start(*arguments))
    processes[0].communicate(timeout=120)
    setattr(storm.proxy, place, lambda *_: None)
    return processes[0].returncode == KILLED


def _kill_after_request(storm: Storm, arguments: tuple[str, ...], key: str, seconds: float) -> bool:
    """Kill a run some seconds after it has first asked for an object; return whether it was still running."""
    processes: list[subprocess.Popen[str]] = []
    timers: list[threading.Timer] = []

    def wait(_: str, path: str) -> None:
        if key in path and not timers:
            timers.append(threading.Timer(seconds, os.killpg, (processes[0].pid, signal.SIGKILL)))
            timers[0].start()

    storm.proxy.before = wait
    processes.append(storm.start(*arguments))
    processes[0].communicate(timeout=120)
    storm.proxy.before = lambda *_: None
    timers[0].cancel()
    return processes[0].returncode == KILLED


def kill_deliveries(storm: Storm, kills: int) -> Iterator[Attempt]:
    """Kill deliveries at random moments; a reader of the table sees it as it was, or with each row of the batch."""
    with serving(fsync="off") as server:
        database = server.create_database()
        storm.checkout.edit("conf/param.ini", "[core]", f"{database.ini}[core]")
        storm.forget()
        assert storm.run(*storm.batch)[0] == 0
        assert storm.run(*DELIVER)[0] == 0
        expected = sorted(predict(storm.model, storm.new_rows)[["id", "pred"]].itertuples(index=False, name=None))
        killed = 0
        while killed < kills:
            # There is no table, or it lacks a row.
            damage = storm.generator.choice(["DROP TABLE", "DELETE FROM"])
            database.execute(
                f"{damage} predictions" + " WHERE id = (SELECT max(id) FROM predictions)" * ("FROM" in damage)
            )
            before = _read_predictions(database)
            if _kill_after_request(storm, DELIVER, "latest.json", storm.generator.uniform(0, 0.8)):
                killed += 1
                seen = _read_predictions(database)
                code, line = storm.run(*DELIVER)
                held = seen in (before, expected) and code == 0 and _read_predictions(database) == expected
                yield "SIGKILL at a random moment: DeliverBatchTask", held, f"{len(seen)} rows, then {code} {line}"


def kill_snapshots(storm: Storm, kills: int) -> Iterator[Attempt]:
    """Kill snapshots of two parts at random moments; a reader of the pointer sees the one before, or the new one."""
    with serving(fsync="off") as server:
        storm.checkout.edit("conf/param.ini", "[core]", f"{server.create_database().ini}[core]")
        to = ("--as-of", "2026-11-29", "--to", f"s3://{storm.bucket}/flowers")
        snapshot = ("SnapshotTableTask", "--source", "warehouse", "--query-file", "query.sql", *to)
        storm.forget()
        killed = 0
        while killed < kills:
            rows, before = storm.generator.randrange(1_500_000, 2_000_000), _read_snapshot(storm)
            (storm.checkout.directory / "query.sql").write_text(f"{LARGE_QUERY} LIMIT {rows}")
            if _kill_after_request(storm, snapshot, "latest.json", storm.generator.uniform(0, 5)):
                killed += 1
                seen = _read_snapshot(storm)
                code, line = storm.run(*snapshot)
                held = seen in (before, rows) and code == 0 and _read_snapshot(storm) == rows
                yield "SIGKILL at a random moment: SnapshotTableTask", held, f"{seen} rows, then {code} {line}"


def _read_snapshot(storm: Storm) -> int:
    """Return how many rows a distrustful reader of the pointer finds."""

    def read(key: str) -> bytes:
        return storm.s3.get_object(Bucket=storm.bucket, Key=key)["Body"].read()

    if not storm.is_published("flowers/latest.json"):
        return 0
    contents = [
        (part, read(part["key"]))
        for part in json.loads(read(json.loads(read("flowers/latest.json"))["manifest"]))["parts"]
    ]
    assert all(hashlib.sha256(content).hexdigest() == part["sha256"] for part, content in contents)
    return sum(pq.read_metadata(io.BytesIO(content)).num_rows for _, content in contents)


def _read_predictions(database: Database) -> list[tuple[int, int]]:
    try:
        return database.execute("SELECT id, pred FROM predictions ORDER BY id")
    except Error:  # There is no such table.
        return []


def kill_beside_the_embedded_s3(storm: Storm, kills: int) -> Iterator[Attempt]:
    """Kill a run together with what it knows of its server, and publish in the end."""
    foreign = ("BUCKET_NAME", "AWS_")
    environment = {name: value for name, value in storm.checkout.environment.items() if not name.startswith(foreign)}
    alone = Storm(**{**vars(storm), "checkout": Checkout(storm.checkout.directory, environment)})
    command = [sys.executable, "main.py"]
    directory = storm.checkout.workspace / "s3"
    for _ in range(kills):
        process = subprocess.Popen(
            command,
            cwd=storm.checkout.directory,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        killed = alone.kill_at_random(process, 3.5)
        done = subprocess.run(
            command, cwd=storm.checkout.directory, env=environment, capture_output=True, timeout=120, check=False
        )
        with embedded_s3.running(directory) as server:
            server.wait_until_ready()
            content = server.connect().get_object(Bucket=embedded_s3.BUCKET, Key="output.csv")["Body"].read()
        held = done.returncode == 0 and pd.read_csv(io.BytesIO(content)).equals(storm.expected)
        for path in storm.checkout.workspace.glob("*Task*"):
            path.unlink()
        if killed:
            yield "SIGKILL at a random moment: embedded S3", held, str(done.stderr[-300:])


def _flip(path: Path, generator: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[generator.randrange(len(content))] ^= 1 << generator.randrange(8)
    path.write_bytes(content)


def _change_digit(path: Path, generator: random.Random) -> None:
    content = bytearray(path.read_bytes())
    place = generator.choice([number for number, byte in enumerate(content) if byte in b"0123456789"])
    content[place] = ord(str((int(chr(content[place])) + 1) % 10))
    path.write_bytes(content)


def _zero(path: Path, generator: random.Random) -> None:
    content = bytearray(path.read_bytes())
    start = generator.randrange(len(content) // 2 + 1)
    content[start : start + 8] = bytes(len(content[start : start + 8]))
    path.write_bytes(content)


def _replace(path: Path, make: Callable[[Path], Any]) -> None:
    path.unlink()
    make(path)


def _digest_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _swap(path: Path, older: Path, with_digest: bool) -> None:
    """Put the file of an older run in place of the current one."""
    kind = path.name.rpartition("_")[0]
    source = min(older.glob(f"{kind}_{'[0-9a-f]' * 32}{path.suffix}"))
    shutil.copy(source, path)
    if with_digest:
        shutil.copy(_digest_of(source), _digest_of(path))


def _swap_split(path: Path, other: str) -> None:
    if "SplitDataTask" in path.name:
        task, part, unique_id = path.name.split("_")
        shutil.copy(path.with_name(f"{task}_{'train' if part == other else other}_{unique_id}"), path)
    else:
        path.write_bytes(path.read_bytes() + b"\n")


DAMAGES: dict[str, Callable[[Path, random.Random, Path], Any]] = {
    "a bit is flipped": lambda path, generator, _: _flip(path, generator),
    "a digit is changed": lambda path, generator, _: _change_digit(path, generator),
    "zeros inside": lambda path, generator, _: _zero(path, generator),
    "cut off": lambda path, generator, _: os.truncate(path, generator.randrange(path.stat().st_size)),
    "empty": lambda path, *_: path.write_bytes(b""),
    "of an older run": lambda path, _, older: _swap(path, older, with_digest=False),
    "of an older run, with its digest": lambda path, _, older: _swap(path, older, with_digest=True),
    "another part of the split, or longer": lambda path, *_: _swap_split(path, "test"),
    "other content in its format": lambda path, *_: path.write_bytes(
        {".json": b'{"rows":1}', ".txt": path.read_bytes().replace(b"num_leaves=", b"num_leaves=9")}.get(
            path.suffix, b"PAR1PAR1"
        )
    ),
    "without its digest": lambda path, *_: _digest_of(path).unlink(),
    "a damaged digest": lambda path, generator, _: _flip(_digest_of(path), generator),
    "a FIFO": lambda path, *_: _replace(path, os.mkfifo),
    "a link to /dev/zero": lambda path, *_: _replace(path, lambda place: place.symlink_to("/dev/zero")),
    "a link to itself": lambda path, *_: _replace(path, lambda place: place.symlink_to(place)),
}
# The tasks in the order in which they need each other; the files of later ones are deleted, so that a damage is met.
ORDER = (
    *("LoadDataTask", "PreprocessTask", "SplitDataTask", "TrainTask", "PredTask", "metrics", "reference"),
    *("MakeOutputTask", "CheckAccuracyTask", "GuardTableTask"),
)


def damage_the_workspace(storm: Storm, most: int, half: int = 0) -> Iterator[Attempt]:
    """Damage files in the ways of one half of all pairs of the two, delete what follows, and run again."""
    older, pristine = (storm.checkout.directory.parent / name for name in ("older", "pristine"))
    storm.forget()
    assert storm.run("--gokart-pipeline-sample.LoadDataTask-max-memory-share", "0.5", *_OLDER)[0] == 0
    assert storm.run(*storm.batch, *_OLDER, "--on-bad-row", "reject")[0] == 0
    shutil.copytree(storm.checkout.workspace, older)
    storm.forget()
    assert storm.run(*storm.batch)[0] == 0
    shutil.copytree(storm.checkout.workspace, pristine)
    files = [path.name for path in sorted(pristine.iterdir()) if path.suffix in (".parquet", ".txt", ".json")]
    attempts = list(itertools.product(DAMAGES, files))[half::2]
    storm.generator.shuffle(attempts)
    for damage, name in attempts[:most]:
        storm.forget()
        shutil.copytree(pristine, storm.checkout.workspace)
        task = next(place for place, task in enumerate(ORDER) if name.startswith(task))
        for later in ORDER[task + 1 :]:
            for path in storm.checkout.workspace.glob(f"{later}_*"):
                path.unlink()
        DAMAGES[damage](storm.checkout.workspace / name, storm.generator, older)
        code, line = storm.run(*storm.batch)
        yield f"a file is damaged: {damage}", code == 0 and storm.is_batch_right(), f"{name}: {code} {line}"
    shutil.rmtree(older)
    shutil.rmtree(pristine)


# Options that change everything that the pipeline keeps.
_OLDER = ("--gokart-pipeline-sample.SplitDataTask-random-state", "7")


def damage_the_bucket(storm: Storm, most: int) -> Iterator[Attempt]:
    """Replace each object of a batch by another body of the same size, under the same metadata."""
    storm.forget()
    assert storm.run(*storm.batch)[0] == 0
    keys = [item["Key"] for item in storm.s3.list_objects_v2(Bucket=storm.bucket)["Contents"]]
    for number, key in zip(range(most), itertools.cycle(keys), strict=False):
        answer = storm.s3.get_object(Bucket=storm.bucket, Key=key)
        content = bytearray(answer["Body"].read())
        content[storm.generator.randrange(len(content))] ^= 1
        algorithm = ("SHA256", "CRC32")[number % 2]
        storm.s3.put_object(
            Bucket=storm.bucket, Key=key, Body=bytes(content), Metadata=answer["Metadata"], ChecksumAlgorithm=algorithm
        )
        code, line = storm.run(*storm.batch)
        yield "an object is replaced, of the same size", code == 0 and storm.is_batch_right(), f"{key}: {code} {line}"


def blow(storm: Storm, fault: str, tries: int) -> Iterator[Attempt]:
    """Let some requests of a batch meet a fault of S3; in the end a run in calm weather publishes."""
    arguments = (*storm.batch[:2], "--table", f"s3://{storm.bucket}/table/new.parquet", *storm.batch[4:])
    storm.forget()
    table = (storm.checkout.directory / "new.parquet").read_bytes()
    storm.s3.put_object(Bucket=storm.bucket, Key="table/new.parquet", Body=table)
    assert storm.run(*arguments)[0] == 0
    for _ in range(tries):
        storm.forget(keep_workspace=True)
        storm.s3.put_object(Bucket=storm.bucket, Key="table/new.parquet", Body=table)
        share, holes = storm.generator.uniform(0.05, 0.4), itertools.count()

        def choose(*_: str, share: float = share, holes: Iterator[int] = holes) -> str:
            meets = storm.generator.random() < share
            # Each black hole lasts until the client has lost its patience.
            return fault if meets and (fault != "black hole" or next(holes) == 0) else ""

        storm.proxy.weather = choose
        code, line = storm.run(*arguments)
        storm.proxy.weather = lambda *_: ""
        if code == 0:
            held = storm.is_batch_right()
        else:
            held = line.startswith("error: ") and not storm.is_published("batch/latest.json")
            held &= storm.run(*arguments)[0] == 0 and storm.is_batch_right()
        yield f"S3: {fault}", held, f"{code} {line}"


def run_at_once(storm: Storm, processes: int, tries: int) -> Iterator[Attempt]:
    """Run the pipeline several times at once in one workspace, without luigi's lock."""
    for number in range(tries):
        storm.forget()
        commands = [("--no-lock",), (*storm.batch, "--no-lock")]
        running = [storm.start(*commands[place % 2 if number % 2 else 0]) for place in range(processes)]
        ends = [process.communicate(timeout=120)[1].splitlines()[-1:] for process in running]
        codes = [process.returncode for process in running]
        held = all(code == 0 for code in codes) and storm.is_right()
        held &= not number % 2 or storm.is_batch_right()
        yield f"{processes} runs at once", held, f"{codes} {ends}"


def feed_bad_tables(storm: Storm, names: list[str], to_train: bool) -> Iterator[Attempt]:
    """Give the pipeline these bad tables, to train on or to score: it refuses one, unless nothing it needs is bad."""
    storm.forget()
    assert storm.run(*storm.batch)[0] == 0
    source = make_noisy_table() if to_train else storm.new_rows
    for name in names:
        folder = storm.checkout.directory / "bad"
        folder.mkdir()
        path = BAD_TABLES[name](source, folder)
        option = "--gokart-pipeline-sample.LoadDataTask-table" if to_train else "--table"
        code, line = storm.run(*(() if to_train else RUN_BATCH), option, str(path))
        if code == 0:
            held = storm.is_right() if to_train else storm.is_batch_right()
        else:
            held = code in (2, 40, 50) and line.startswith("error: ") and (to_train or storm.is_batch_right())
            held = held and not (to_train and storm.is_published("output.csv"))
        yield f"a bad table to {'train on' if to_train else 'score'}", held, f"{name}: {code} {line}"
        storm.s3.delete_object(Bucket=storm.bucket, Key="output.csv")
        shutil.rmtree(folder)


def scenarios(storm: Storm, share: float) -> list[Iterator[Attempt]]:
    """Return all scenarios; a share of 1 makes the full storm."""

    def some(number: int) -> int:
        return max(1, round(number * share))

    tables = list(BAD_TABLES)[: some(len(BAD_TABLES))]
    return [
        *(kill_at_random_moments(storm, batch, workers, some(28)) for batch in (False, True) for workers in (1, 2)),
        *(kill_at_each_request(storm, batch, place) for batch in (False, True) for place in ("before", "after")),
        kill_beside_the_embedded_s3(storm, some(20)),
        kill_deliveries(storm, some(30)),
        kill_snapshots(storm, some(30)),
        *(damage_the_workspace(storm, some(60), half) for half in (0, 1)),
        damage_the_bucket(storm, some(12)),
        *(blow(storm, fault, some(6)) for fault in (*PASSING_FAULTS, *LASTING_FAULTS)),
        *(run_at_once(storm, processes, some(6)) for processes in (2, 4)),
        *(feed_bad_tables(storm, names, to_train=False) for names in (tables[::2], tables[1::2])),
        feed_bad_tables(storm, tables[: some(10)], to_train=True),
    ]
