"""The history: a record of each run."""

import contextlib
import itertools
import json
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from logging import getLogger
from pathlib import Path
from typing import TypedDict

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io import s3
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.utils.shown_task import Figures

logger = getLogger(__name__)

LAST_RUNS = 20  # that are shown, or compared with: a task that is in none of them counts as never run
FIGURES = ("accuracy", "mae", "estimated", "real")
BARS = "▁▂▃▄▅▆▇█"
# Records to keep, with their reports: this many of runs that did something, and as many of up-to-date runs.
KEPT_RUNS = 1000
IDLE = "_up-to-date"


class TaskRecord(TypedDict):
    """A task of a run."""

    name: str  # name of its class
    unique_id: str  # a hash of everything that its output depends on; empty for a view, which has no output
    parameters: dict[str, str]  # the significant ones, except tasks; for a table its fingerprint
    state: str  # see Note
    seconds: float | None
    why: str | None  # why it had to run


class RunRecord(Figures):
    """A run, with the figures of what it has published; records of earlier versions lack some of these."""

    started: str  # ISO 8601, UTC
    seconds: float
    command: list[str]  # the task and its options, as luigi took them
    task: str  # with its namespace
    # published, published and delivered, or delivered (with N alarms), champion kept, up to date, done, not accurate
    # enough, failed or stopped
    verdict: str
    exit_status: int
    failure: str | None  # the last line on stderr
    required_accuracy: float | None
    object: str | None  # URI of the published object
    versions: dict[str, str]  # of Python and of packages, by name
    seeds: dict[str, str]  # by task and parameter
    code: dict[str, str]  # hash of each module that the tasks use, by name, without comments
    tasks: list[TaskRecord]


class History:
    """The records of the runs of a workspace, which is a path or a URI on S3, and the reports beside them."""

    def __init__(self, workspace: str, encryption: s3.Encryption = s3.BUCKET_ENCRYPTION) -> None:
        self._is_on_s3, self._encryption = s3.is_s3(workspace), encryption
        self._folder = f"{workspace.rstrip('/')}/runs"
        if self._is_on_s3:
            self._folder = "s3://" + "/".join(s3.split_uri(self._folder))

    def locate(self, name: str) -> str:
        """Return the path or URI of a document."""
        return f"{self._folder}/{name}"

    def records(self, task: str | None = None) -> Iterator[RunRecord]:
        """Yield the last records, newest first; only of runs of a task if it is named, with its namespace."""
        found = (record for _, record in self.named_records() if task in (None, record["task"]))
        return itertools.islice(found, LAST_RUNS)

    def named_records(self) -> Iterator[tuple[str, RunRecord]]:
        """Yield the name of the document of each record, and the record, newest first."""
        for name in reversed(self._names()):
            place = self.locate(name)
            with contextlib.suppress(ValueError, AttributeError, OSError, S3Error):
                content = s3.get_object(*s3.split_uri(place))[0] if self._is_on_s3 else Path(place).read_bytes()
                record: RunRecord = json.loads(content)
                if RunRecord.__required_keys__ <= record.keys():
                    yield name, record
                    continue
            logger.warning("%s is no record that can be read: it is passed over", place)

    def _names(self) -> list[str]:
        """Return the names of the documents of the records, oldest first."""
        if not self._is_on_s3:
            return sorted(path.name for path in Path(self._folder).glob("*.json"))
        bucket, key = s3.split_uri(self._folder)
        keys = sorted(item["Key"] for item in s3.list_objects(bucket, f"{key}/"))
        return [found.removeprefix(f"{key}/") for found in keys if found.endswith(".json")]

    def add(self, stem: str, record: RunRecord) -> None:
        """Save a record under a file name without extension; names sort from oldest to newest."""
        idle = IDLE if record["verdict"] == "up to date" else ""
        self.write(f"{stem}{idle}.json", json.dumps(record, indent=2).encode(), "application/json")
        alike = [name for name in self._names() if name.endswith(f"{IDLE}.json") == bool(idle)]
        for name in alike[:-KEPT_RUNS]:
            self.delete(name)

    def write(self, name: str, content: bytes, content_type: str) -> None:
        """Write a document; a reader sees all of it or nothing, and a local file is readable by its owner only."""
        place = self.locate(name)
        if self._is_on_s3:
            s3.put_object(*s3.split_uri(place), content, content_type, {}, self._encryption)
            return
        folder = Path(self._folder)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".") as temporary:
            file = Path(temporary, name)
            file.touch(0o600)
            file.write_bytes(content)
            file.replace(place)

    def delete(self, name: str) -> None:
        """Delete a record and the report beside it, if they exist."""
        for place in (self.locate(name.removesuffix(".json") + ".html"), self.locate(name)):
            if not self._is_on_s3:
                Path(place).unlink(missing_ok=True)
                continue
            bucket, key = s3.split_uri(place)
            with s3.s3_client(place, "delete it") as client:
                client.delete_object(Bucket=bucket, Key=key)

    def __str__(self) -> str:
        """Show the last runs as a table, the newest last, and how their figures have changed."""
        records = [*self.records()][::-1]
        series, is_number = collect_series(records, records), [each.get("mae") is not None for each in records]
        columns = {
            "when": [f"{datetime.fromisoformat(record['started']).astimezone():%F %T}" for record in records],
            "verdict": [record["verdict"] for record in records],
            **{name: [*map(show_figure, series[name], is_number)] for name in FIGURES},
            "decision": [record.get("decision") or "" for record in records],
            "alarms": ["" if (alarms := record.get("alarms")) is None else str(len(alarms)) for record in records],
            "rows": ["" if value is None else str(value) for value in series["rows"]],
            "share": ["" if (share := record.get("share")) is None else str(share) for record in records],
            "duration": [f"{record['seconds']:.2f} s" for record in records],
            "object": [record["object"] or "" for record in records],
            "delivered": [record.get("delivered") or "" for record in records],
        }
        # Only batches have these, or models that have a decision or predict another kind of target.
        optional = {*FIGURES, "decision", "alarms", "share", "delivered"} - {QUALITY.figure}
        shown = [[name, *cells] for name, cells in columns.items() if any(cells) or name not in optional]
        padded = [[cell.ljust(max(map(len, column))) for cell in column] for column in shown]
        lines = ["  ".join(row).rstrip() for row in zip(*padded, strict=True)]
        for name, figures in series.items():
            if len(values := [value for value in figures if value is not None]) > 1:
                lines.append(f"{name:9} {draw_bars(values)}  {min(values):g} to {max(values):g}")
        return "\n".join(lines)


def collect_series(records: Sequence[RunRecord], later: Sequence[RunRecord] = ()) -> dict[str, list[float | None]]:
    """Return the figures of runs over time, by name; later runs may have found the real figure of their batches."""
    # An evaluation is in the folder of its batch, which has the unique id of the task that scored it.
    figures = ((each["object"], value) for each in later for value in (each.get("accuracy"), each.get("mae")))
    real = {uri.split("/")[-2]: value for uri, value in figures if uri and value is not None}
    found = ((real[task["unique_id"]] for task in each["tasks"] if task["unique_id"] in real) for each in records)
    return {
        "accuracy": [record.get("accuracy") for record in records],
        "mae": [record.get("mae") for record in records],
        "estimated": [estimated[0] if (estimated := record.get("estimated")) else None for record in records],
        "real": [next(values, None) for values in found],
        "rows": [record.get("rows") for record in records],
        "seconds": [record["seconds"] for record in records],
    }


def show_figure(value: float | None, is_number: bool = True, digits: int = 4) -> str:
    """Show a share, or a number of any size with so many significant digits; nothing if it is not known."""
    if value is None:
        return ""
    is_whole = 10**digits <= abs(value) < 1e9
    return f"{value:.0f}" if is_whole else f"{value:.{digits}g}" if is_number else f"{value:.4f}"


def draw_bars(values: list[float]) -> str:
    """Draw a bar for each value, from the least to the greatest."""
    least, span = min(values), (max(values) - min(values)) or 1
    return "".join(BARS[round((value - least) / span * (len(BARS) - 1))] for value in values)
