"""Delete what no pointer needs: old files of the workspace, old runs, batches and champions."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import luigi

from gokart_pipeline_sample.errors import PipelineError
from gokart_pipeline_sample.io.s3 import is_s3, list_objects, read_metadata, s3_client, split_uri
from gokart_pipeline_sample.io.targets import DIGEST_SUFFIX, UNIQUE_ID, identify
from gokart_pipeline_sample.pipeline.batch.manifest import get_intact_object, make_folder
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.champion.choose_champion import ChooseChampionTask
from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
from pipeline_runner.error_messages import describe
from pipeline_runner.errors import UsageError
from pipeline_runner.lock_folder import find_running
from pipeline_runner.watch.history import History

_UNIQUE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_FILE = re.compile(r"_([0-9a-f]{32})\.\w+$")


class Limits(NamedTuple):
    """Limits of the runs and files that are kept.

    Args:
        runs: the number of runs of each task.
        hours: the age of the youngest file or object that is deleted.
    """

    runs: int
    hours: float

    def are_passed(self, modified: float) -> bool:
        """Return whether a file of that time, in seconds since 1970, is old enough."""
        return time.time() - modified >= self.hours * 3600


def clean(workspace: str, lock_folder: str, limits: Limits, is_agreed: bool) -> int:
    """Print what no pointer and none of the last runs needs, delete it if that is agreed, and return the exit status.

    Args:
        workspace: path or URI of the workspace.
        lock_folder: where luigi notes the running commands, if it does.
        limits: what to keep.
        is_agreed: whether to delete.

    Raises:
        UsageError: a run is going on here, the workspace cannot be read, or S3 refuses a request.
    """
    if lock_folder and (running := find_running(Path(lock_folder))):
        raise UsageError(f"process {running[0]} runs: wait for it to end")
    try:
        history = History(workspace)
        kept, old_runs, needed = sort_runs(history, limits.runs)
        files = list(find_files(Path(workspace), needed, limits)) if "://" not in workspace else []
        objects = list(find_objects(workspace, needed, limits))
        for name in [*(str(path) for path in files), *(f"s3://{bucket}/{key}" for bucket, key in objects)]:
            print(name)
        print(f"{len(files)} files, {len(objects)} objects and {len(old_runs)} of {kept + len(old_runs)} runs")
        if not is_agreed:
            print("nothing is deleted: add --yes to delete them")
            return 0
        for name in old_runs:
            history.delete(name)
        for path in files:
            path.unlink(missing_ok=True)
        for bucket, key in objects:
            with s3_client(f"s3://{bucket}/{key}", "delete it") as client:
                client.delete_object(Bucket=bucket, Key=key)
    except (OSError, PipelineError) as error:
        raise UsageError(describe(error)) from error
    return 0


def sort_runs(history: History, keep: int) -> tuple[int, list[str], set[str]]:
    """Return the number of runs to keep, the names of the other ones, and the unique ids that the kept ones know."""
    seen: dict[str, int] = {}
    old: list[str] = []
    needed: set[str] = set()
    for name, record in history.named_records():
        seen[record["task"]] = seen.get(record["task"], 0) + 1
        if seen[record["task"]] > keep:
            old.append(name)
        else:
            needed.update(task["unique_id"] for task in record["tasks"])
    return sum(min(number, keep) for number in seen.values()), old, needed - {""}


def find_owner(name: str) -> str | None:
    """Return the unique id of the task that a file or an object belongs to by its name, if there is one.

    Args:
        name: its name below the workspace, or below the folder of batches or champions.
    """
    first, is_folder, _ = name.partition("/")
    if is_folder:
        return first if _UNIQUE_ID.fullmatch(first) else None
    found = _FILE.search(name.removesuffix(DIGEST_SUFFIX))
    return found[1] if found else None


def find_files(workspace: Path, needed: set[str], limits: Limits) -> Iterator[Path]:
    """Yield the files of tasks that are not needed."""
    paths = {path.name: path for path in sorted(workspace.glob("*")) if path.is_file()}
    for name, path in paths.items():
        # The pipeline has written a file of the workspace if its digest is beside it.
        owner = find_owner(name) if f"{name.removesuffix(DIGEST_SUFFIX)}{DIGEST_SUFFIX}" in paths else None
        if owner and owner not in needed and limits.are_passed(path.lstat().st_mtime):
            yield path


def find_objects(workspace: str, needed: set[str], limits: Limits) -> Iterator[tuple[str, str]]:
    """Yield bucket and key of the objects of batches, champions and tasks that neither runs nor pointers need."""
    bucket = LoadChampionTask(champion="").bucket
    folders = {
        make_folder(_get_prefix(ScoreTableTask)): "latest.json",
        make_folder(_get_prefix(ChooseChampionTask)): "champion.json",
    }
    # One of these places may lie in another.
    kept = needed.union(*(read_pointed(bucket, f"{folder}{pointer}") for folder, pointer in folders.items()))
    published = {(bucket, folder) for folder in folders}
    other, prefix = split_uri(workspace)
    stored = {(other, make_folder(prefix))} if is_s3(workspace) else set()
    for place, folder in sorted(published | stored):
        items = {item["Key"].removeprefix(folder): item for item in list_objects(place, folder)}
        for name, item in items.items():
            # A workspace has no folders of tasks, and the other places nothing else.
            owner = find_owner(name) if (place, folder) in (published if "/" in name else stored) else None
            is_old = limits.are_passed(item["LastModified"].timestamp())
            if is_old and owner and owner not in kept and _is_ours(place, name, item["Key"]):
                yield place, item["Key"]


def read_pointed(bucket: str, key: str) -> set[str]:
    """Return all unique ids that a pointer names; none if there is no pointer."""
    if not any(item["Key"] == key for item in list_objects(bucket, key)):
        return set()
    return set(_UNIQUE_ID.findall(get_intact_object(bucket, key, "run again", "mend it first").decode()))


def _is_ours(bucket: str, name: str, key: str) -> bool:
    """Return whether an object is in a folder of a task, or whether the pipeline has put it into the workspace."""
    return "/" in name or read_metadata(bucket, key).get(UNIQUE_ID) == identify(name)


def _get_prefix(task: type[luigi.Task]) -> str:
    return str(task.prefix.task_value(task.get_task_family(), "prefix"))  # type: ignore[attr-defined]
