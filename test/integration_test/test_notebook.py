"""The pipeline in a notebook or another program: it does what ``python main.py`` does, and the process is as before."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest
from mypy_boto3_s3 import S3Client
from support.checkout import Checkout, make_environment

pytestmark = pytest.mark.long

FIVE_LINES = """
import gokart
from gokart_pipeline_sample import RunTask
from pipeline_runner.notebook import configured
with configured():
    predictions = gokart.build(RunTask())
"""
# As in a notebook: the code is in no file, a loop runs in the main thread, and the streams are no files.
CELLS = """
import asyncio, fcntl, gc, io, json, logging, os, signal, sys, threading, warnings
import boto3, gokart, luigi
from gokart_pipeline_sample import RunTask
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from luigi.configuration import get_config
from pipeline_runner.lock_folder import try_lock
from pipeline_runner.notebook import configured

def look():
    loggers = [logging.getLogger(name) for name in (None, "luigi-interface", "luigi", "gokart", "matplotlib")]
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "logging": [[logger.level, *map(repr, logger.handlers)] for logger in loggers],
        "signals": [repr(signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGUSR1)],
        "filters": len(warnings.filters),
        "configuration": [id(get_config()), read_settings()],
        "event handlers": sum(map(len, luigi.Task._event_callbacks.get(luigi.Task, {}).values())),
        "server": runs_server(),
    }

def read_settings():
    settings = io.StringIO()
    get_config().write(settings)
    return settings.getvalue()

def runs_server():
    try:
        with open(sys.argv[1]) as state:
            return not try_lock(fcntl.flock, state)
    except FileNotFoundError:
        return False

def count_files():
    gc.collect()
    return len(os.listdir("/dev/fd"))

def find_objects():
    client = boto3.Session().client("s3")
    return [item["Key"] for item in client.list_objects_v2(Bucket=os.environ["BUCKET_NAME"]).get("Contents", [])]

def build_twice():
    with configured():
        first = gokart.build(RunTask())
        seen["nested"] = enter_again()
        boto3.Session().client("s3").delete_object(Bucket=os.environ["BUCKET_NAME"], Key="output.csv")
        objects = [find_objects()]
    with configured():
        second = gokart.build(RunTask())
        objects.append(find_objects())
    seen.update(objects=objects, predictions=[frame.to_csv(index=False) for frame in (first, second)])

def enter_again():
    try:
        with configured():
            pass
    except Exception as error:
        return f"{type(error).__name__}: {error}"

def define_and_build():
    class TypedTask(RunTask):
        pass

    with open("table.csv", "a") as table:
        table.write("1,2\\n")
    with configured():
        seen["rows"].append(len(gokart.build(TypedTask())))
        seen["tables"].append(LoadDataTask(table=os.path.abspath("table.csv")).make_unique_id())

def be_interrupted(_):
    signal.raise_signal(signal.SIGINT)
    # Python raises the interrupt between two of the next instructions; luigi swallows it in an event handler.
    for _ in range(1_000_000):
        pass

def interrupt():
    CheckAccuracyTask.run = be_interrupted
    try:
        with configured():
            gokart.build(RunTask(require_acc=0.95))
    except KeyboardInterrupt:
        return runs_server()

async def run_cells():
    build_twice()
    files = count_files()
    define_and_build()
    seen["files left open"] = count_files() - files
    thread = threading.Thread(target=define_and_build)
    thread.start()
    thread.join()

seen = {"rows": [], "tables": []}
signal.signal(signal.SIGINT, signal.default_int_handler)  # A shell lets what it starts in the background ignore it.
logging.basicConfig()
boto3.client("s3")  # It remembers the credentials that it finds now.
streams = sys.stdout, sys.stderr
seen["before"] = look()
sys.stdout, sys.stderr = io.StringIO(), io.StringIO()
try:
    asyncio.run(run_cells())
    seen["interrupted"] = interrupt()
finally:
    printed = sys.stdout.getvalue() + sys.stderr.getvalue()
    sys.stdout, sys.stderr = streams
print(json.dumps({**seen, "after": look(), "printed": printed}))
"""
# Each fault as the environment, the options of the command line and the parameters that have it.
FAULTS: dict[str, tuple[dict[str, str], tuple[str, ...], dict[str, float]]] = {
    "bucket that is not there": ({"BUCKET_NAME": "not-there"}, (), {}),
    "no credentials": ({"AWS_SHARED_CREDENTIALS_FILE": os.devnull, "AWS_EC2_METADATA_DISABLED": "true"}, (), {}),
    "name that is not known": ({"LUIGI_CONFIG_PATH": "unknown.ini"}, (), {}),
    "accuracy too low": ({}, ("--require-acc", "1.0"), {"require_acc": 1.0}),
}
MEET_FAULTS = """
import json, os, sys, traceback
import gokart
from gokart_pipeline_sample import RunTask
from pipeline_runner.notebook import configured

def build(variables, _, parameters):
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        with configured():
            return len(gokart.build(RunTask(**parameters)))
    except Exception:
        return traceback.format_exc().splitlines()[-1]
    finally:
        os.environ.clear()
        os.environ.update(before)

faults = json.loads(sys.argv[1])
print(json.dumps({**{name: build(*fault) for name, fault in faults.items()}, "none": build({}, (), {})}))
"""

# What a notebook may have done with OpenMP before it lets workers do the rest.
USES = {
    "trained": "train()",
    "predicted": "lightgbm.Booster(model_str=train().model_to_string()).predict(FEATURES)",
    "trained with scikit-learn, too": "train(), HistGradientBoostingClassifier(max_iter=3).fit(FEATURES, TARGET)",
    "run the pipeline": "build(41)",
}
BUILD_WITH_WORKERS = """
import gokart, json, lightgbm, luigi, numpy as np, sys
from gokart_pipeline_sample import RunTask
from pipeline_runner.notebook import configured
from sklearn.ensemble import HistGradientBoostingClassifier

draws = np.random.default_rng(0)
FEATURES, TARGET = draws.normal(size=(10_000, 4)), draws.integers(0, 2, 10_000)

def train():
    return lightgbm.train({"objective": "binary", "verbosity": -1}, lightgbm.Dataset(FEATURES, TARGET), 5)

def build(seed, **options):
    with configured():
        luigi.configuration.get_config().set("gokart_pipeline_sample.TrainTask", "seed", str(seed))
        return gokart.build(RunTask(), **options)

eval(sys.argv[1])
print(json.dumps(len(build(42, workers=2))))
"""


def run_python(checkout: Checkout, code: str, argument: str, cwd: Path | None = None, **variables: str) -> Any:
    command = [sys.executable, "-c", code, argument]
    run = checkout.execute(command, cwd=cwd, PYTHONPATH=str(checkout.directory), **variables)
    assert run.exit_code == 0, run.stderr
    return json.loads(run.stdout)


def leave_alone(published: Checkout, folder: Path) -> Checkout:
    """Copy a project into an environment that names no S3."""
    checkout = published.copy(folder / "checkout")
    checkout.environment = make_environment(TMPDIR=str(folder))
    return checkout


@pytest.fixture(scope="module")
def seen(published_once: Checkout, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the cells have seen, in a folder that is not that of the project."""
    folder = tmp_path_factory.mktemp("notebook")
    checkout = leave_alone(published_once, folder)
    elsewhere = folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "credentials").write_text("[default]\naws_access_key_id=theirs\naws_secret_access_key=theirs\n")
    variables = {"AWS_SHARED_CREDENTIALS_FILE": "credentials", "AWS_DEFAULT_REGION": "eu-central-1"}
    answer: dict[str, Any] = run_python(
        checkout, CELLS, str(checkout.workspace / "s3" / "server.json"), elsewhere, **variables
    )
    assert {path.name for path in elsewhere.iterdir()} == {"credentials", "table.csv"}
    return answer


@pytest.fixture(scope="module")
def predictions(published_once: Checkout, s3: S3Client) -> str:
    """What the command line has published."""
    bucket = published_once.environment["BUCKET_NAME"]
    return s3.get_object(Bucket=bucket, Key="output.csv")["Body"].read().decode()


def test_five_lines_give_the_predictions(published_once: Checkout, predictions: str, tmp_path: Path) -> None:
    alone = leave_alone(published_once, tmp_path)
    script = alone.directory / "script.py"
    script.write_text(f"{FIVE_LINES}print(predictions.to_csv(index=False), end='')\n")

    run = alone.execute([sys.executable, str(script)])

    assert (run.exit_code, run.stdout) == (0, predictions), run.stderr
    assert run.stderr == f"BUCKET_NAME is not set: publishing to the embedded S3 in {alone.workspace / 's3'}\n"


def test_an_object_that_was_deleted_is_put_back(seen: dict[str, Any], predictions: str) -> None:
    assert (seen["objects"], seen["predictions"]) == ([[], ["output.csv"]], [predictions] * 2)


def test_a_task_that_is_typed_is_built_in_any_thread(seen: dict[str, Any]) -> None:
    """It is typed twice, as a cell can be run twice."""
    assert seen["rows"] == [30, 30]


def test_a_table_that_has_changed_is_another_input(seen: dict[str, Any]) -> None:
    assert len(set(seen["tables"])) == 2


def test_the_process_is_as_before(seen: dict[str, Any]) -> None:
    assert seen["after"] == seen["before"]
    assert seen["files left open"] == 0
    # Neither warnings nor progress, as the program has not asked for them.
    assert {line.partition(":")[0] for line in seen["printed"].splitlines()} == {"BUCKET_NAME is not set"}


def test_a_second_context_within_the_first_is_refused(seen: dict[str, Any]) -> None:
    assert seen["nested"].startswith("UsageError: configured() is in use: only one such context at a time ")


def test_an_interrupt_ends_the_server(seen: dict[str, Any]) -> None:
    assert seen["interrupted"] is False


def test_a_fault_ends_with_the_line_of_the_command_line(published: Checkout) -> None:
    settings = (published.directory / "conf" / "param.ini").read_text()
    (published.directory / "unknown.ini").write_text(settings.replace("CheckAccuracyTask]", "CheckAcuracyTask]"))

    found = run_python(published, MEET_FAULTS, json.dumps(FAULTS))

    assert found.pop("none") == 30
    runs = {name: published.main(*options, **variables) for name, (variables, options, _) in FAULTS.items()}
    lines = {name: run.stderr.splitlines()[-1].removeprefix("error: ") for name, run in runs.items()}
    errors = dict.fromkeys(FAULTS, "notebook.BuildError") | {"name that is not known": "errors.UsageError"}
    assert found == {name: f"pipeline_runner.{errors[name]}: {line}" for name, line in lines.items()}


@pytest.mark.parametrize("use", USES)
def test_workers_train_where_openmp_was_used_before(checkout: Checkout, use: str) -> None:
    """They are forks of the process, without the threads that OpenMP would wait for."""
    checkout.timeout = 120
    assert run_python(checkout, BUILD_WITH_WORKERS, USES[use], OMP_NUM_THREADS="2") == 30
