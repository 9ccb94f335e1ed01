"""Show the champions, and go back to an earlier one."""

from gokart_pipeline_sample.io.s3 import list_objects
from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
from gokart_pipeline_sample.pipeline.champion.registry import DOCUMENT, Champions, point_to
from pipeline_runner.errors import UsageError
from pipeline_runner.watch.history import show_figure


def show_champions(wanted: str) -> int:
    """Go back to the champion whose name begins so, if any is wanted; print all, and return the exit status."""
    champions = LoadChampionTask(champion="").champions()
    objects = list_objects(champions.bucket, champions.folder)
    documents = [item for item in objects if item["Key"].endswith(f"/{DOCUMENT}")]
    # The folder of a champion has its name, which is the unique id of its task; oldest first.
    found = {item["Key"].split("/")[-2]: item for item in sorted(documents, key=lambda item: item["LastModified"])}
    if wanted:
        go_back(champions, {name: item["Key"] for name, item in found.items() if name.startswith(wanted)}, wanted)
    pointer, _ = champions.read_pointer()
    for name, item in found.items():
        items = (champions.find_document(item["Key"]) or {}).items()
        known = [(name, value) for name, value in items if name in ("accuracy", "mae") and isinstance(value, float)]
        state = ", ".join(f"{name} {show_figure(value, name == 'mae')}" for name, value in known) or "damaged"
        mark = f"champion since {pointer['since'][:19]}" if pointer and pointer["champion"] == item["Key"] else ""
        print(f"{name}  {item['LastModified'].astimezone():%Y-%m-%d %H:%M}  {state}  {mark}".rstrip())
    print(f"the champion is {pointer['decision']}" if pointer else "there is no champion: run TrainChampionTask")
    return 0


def go_back(champions: Champions, found: dict[str, str], wanted: str) -> None:
    """Point to the only earlier champion found, by name; the last model that was considered stays refused."""
    if len(found) != 1:
        raise UsageError(f"{len(found)} champions have a name that begins with {wanted}: see --champion")
    ((name, key),) = found.items()
    pointer, etag = champions.read_pointer()
    if champions.find_document(key) is None:
        raise UsageError(f"{champions.path(key)} is damaged, or a file beside it: choose another champion")
    decision = f"set by hand: --champion {name[:8]}"
    champions.put_pointer(point_to(key, pointer, pointer["considered"] if pointer else "", decision), etag)
