"""Show the champions, and go back to an earlier one."""

from datetime import datetime

from gokart_pipeline_sample.io.s3 import list_objects
from gokart_pipeline_sample.pipeline.champion.load_champion import LoadChampionTask
from gokart_pipeline_sample.pipeline.champion.registry import DOCUMENT, Champions, point_to
from pipeline_runner.errors import UsageError


def show_champions(wanted: str) -> int:
    """Go back to the champion whose name begins so, if any is wanted; print all, and return the exit status."""
    champions = LoadChampionTask(champion="").champions()
    if wanted:
        go_back(champions, wanted)
    pointer, _ = champions.read_pointer()
    for name, key, put in list_documents(champions):
        document = champions.find_document(key)
        state = f"accuracy {document['accuracy']:.4f}" if document else "damaged"
        mark = f"champion since {pointer['since'][:19]}" if pointer and pointer["champion"] == key else ""
        print(f"{name}  {put:%Y-%m-%d %H:%M}  {state}  {mark}".rstrip())
    print(f"the champion is {pointer['decision']}" if pointer else "there is no champion: run TrainChampionTask")
    return 0


def go_back(champions: Champions, wanted: str) -> None:
    """Point to an earlier champion; the last model that was considered stays refused."""
    found = [(name, key) for name, key, _ in list_documents(champions) if name.startswith(wanted)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} champions have a name that begins with {wanted}: see --champion")
    name, key = found[0]
    pointer, etag = champions.read_pointer()
    if champions.find_document(key) is None:
        raise UsageError(f"{champions.path(key)} is damaged, or a file beside it: choose another champion")
    decision = f"set by hand: --champion {name[:8]}"
    champions.put_pointer(point_to(key, pointer, pointer["considered"] if pointer else "", decision), etag)


def list_documents(champions: Champions) -> list[tuple[str, str, datetime]]:
    """Return the name of each champion (its task's unique id), the key of its document, and its time; oldest first."""
    objects = list_objects(champions.bucket, champions.folder)
    documents = [item for item in objects if item["Key"].endswith(f"/{DOCUMENT}")]
    documents.sort(key=lambda item: item["LastModified"])
    return [(item["Key"].split("/")[-2], item["Key"], item["LastModified"].astimezone()) for item in documents]
