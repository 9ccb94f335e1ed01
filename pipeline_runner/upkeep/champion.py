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
    for key, put in list_documents(champions):
        document = champions.find_document(key)
        state = f"accuracy {document['accuracy']:.4f}" if document else "damaged"
        mark = f"champion since {pointer['since'][:19]}" if pointer and pointer["champion"] == key else ""
        print(f"{get_name(key)}  {put:%Y-%m-%d %H:%M}  {state}  {mark}".rstrip())
    print(f"the champion is {pointer['decision']}" if pointer else "there is no champion: run TrainChampionTask")
    return 0


def go_back(champions: Champions, wanted: str) -> None:
    """Point to an earlier champion; the last model that was considered stays refused."""
    found = [key for key, _ in list_documents(champions) if get_name(key).startswith(wanted)]
    if len(found) != 1:
        raise UsageError(f"{len(found)} champions have a name that begins with {wanted}: see --champion")
    pointer, etag = champions.read_pointer()
    if champions.find_document(found[0]) is None:
        raise UsageError(f"{champions.path(found[0])} is damaged, or a file beside it: choose another champion")
    decision = f"set by hand: --champion {get_name(found[0])[:8]}"
    champions.put_pointer(point_to(found[0], pointer, pointer["considered"] if pointer else "", decision), etag)


def list_documents(champions: Champions) -> list[tuple[str, datetime]]:
    """Return the key of the document of each champion, and when it was put; the oldest first."""
    objects = list_objects(champions.bucket, champions.folder)
    documents = [item for item in objects if item["Key"].endswith(f"/{DOCUMENT}")]
    return sorted(((item["Key"], item["LastModified"].astimezone()) for item in documents), key=lambda item: item[1])


def get_name(key: str) -> str:
    """Return the name of a champion: the unique id of the task that has put it."""
    return key.split("/")[-2]
