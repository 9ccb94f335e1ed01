"""Delete what no pointer needs: old files of the workspace, old runs, batches and champions."""

import re
import shutil
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from gokart_pipeline_sample.io.manifest import make_folder
from gokart_pipeline_sample.io.s3 import find_metadata, get_intact_object, is_s3, list_objects, s3_client, split_uri
from gokart_pipeline_sample.io.targets import DIGEST_SUFFIX, UNIQUE_ID, identify
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
from pipeline_runner.errors import UsageError
from pipeline_runner.lock_folder import is_running
from pipeline_runner.watch.history import History

_UNIQUE_ID = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
# Names with the unique id of the task: of its file in the workspace, and of its objects below batches or champions.
_FILE = re.compile(r"[^/]*_([0-9a-f]{32})\.\w+")
_OBJECT = re.compile(r"([0-9a-f]{32})/.*", re.DOTALL)


def clean(workspace: str, lock_folder: str, keep: int, hours: float, *, is_agreed: bool) -> int:
    """Print what is some hours old and neither a pointer nor the last runs of a task need, and delete it if agreed."""
    if lock_folder and is_running(Path(lock_folder)):
        raise UsageError("a command of the pipeline is running: wait until it ends")
    history, limit = History(workspace), time.time() - hours * 3600
    kept, old_runs, needed = sort_runs(history, keep)
    files = [] if is_s3(workspace) else list(find_files(Path(workspace), needed, limit))
    objects = list(find_objects(workspace, needed, limit))
    for name in [*files, *(f"s3://{bucket}/{key}" for bucket, key in objects)]:
        print(name)
    print(f"{len(files)} files, {len(objects)} objects and {len(old_runs)} of {kept + len(old_runs)} runs")
    if not is_agreed:
        print("nothing is deleted: add --yes to delete them")
        return 0
    for name in old_runs:
        history.delete(name)
    for path in files:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for bucket, key in objects:
        with s3_client(f"s3://{bucket}/{key}", "delete it") as client:
            client.delete_object(Bucket=bucket, Key=key)
    return 0


def sort_runs(history: History, keep: int) -> tuple[int, list[str], set[str]]:
    """Return the number of runs to keep, the names of the other ones, and the unique ids that the kept ones know."""
    seen, old, needed = Counter[str](), list[str](), set[str]()
    for name, record in history.named_records():
        seen[record["task"]] += 1
        if seen[record["task"]] > keep:
            old.append(name)
        else:
            needed.update(task["unique_id"] for task in record["tasks"])
    return seen.total() - len(old), old, needed - {""}


def find_files(workspace: Path, needed: set[str], limit: float) -> Iterator[Path]:
    """Yield our files that are not finished, or of tasks that are not needed, until a limit in seconds since 1970."""
    # A process that was killed has left files of luigi, and temporary folders with half a record or report.
    unfinished = [*workspace.glob("*-luigi-tmp-*"), *workspace.glob("runs/.????????/")]
    yield from (path for path in sorted(unfinished) if path.lstat().st_mtime <= limit)
    paths = {path.name: path for path in sorted(workspace.glob("*")) if path.is_file()}
    for name, path in paths.items():
        content = name.removesuffix(DIGEST_SUFFIX)
        is_ours = f"{content}{DIGEST_SUFFIX}" in paths and path.lstat().st_mtime <= limit
        if is_ours and (owner := _FILE.fullmatch(content)) and owner[1] not in needed:
            yield path


def find_objects(workspace: str, needed: set[str], limit: float) -> Iterator[tuple[str, str]]:
    """Yield bucket and key of the objects of batches, champions and tasks that neither runs nor pointers need."""
    champions = LoadChampionTask(champion="").champions()
    batches = make_folder(ScoreTableTask.prefix.task_value(ScoreTableTask.task_family, "prefix"))
    kept = set(needed)
    for key in (f"{batches}latest.json", champions.pointer_key):
        if find_metadata(champions.bucket, key) is not None:
            pointer = get_intact_object(champions.bucket, key, "run again", "mend it first").decode()
            kept.update(_UNIQUE_ID.findall(pointer))
    # One of these folders may lie in another.
    places = [(champions.bucket, folder, _OBJECT) for folder in sorted({batches, champions.folder})]
    if is_s3(workspace):
        bucket, prefix = split_uri(workspace)
        places.append((bucket, make_folder(prefix), _FILE))
    for bucket, folder, names in places:
        for item in list_objects(bucket, folder):
            key, owner = item["Key"], names.fullmatch(item["Key"].removeprefix(folder))
            is_old = owner and owner[1] not in kept and item["LastModified"].timestamp() <= limit
            # In the workspace only what the pipeline has put, and nobody else.
            if is_old and (names is _OBJECT or (find_metadata(bucket, key) or {}).get(UNIQUE_ID) == identify(key)):
                yield bucket, key
