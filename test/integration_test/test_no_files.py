"""With a workspace on S3 a run makes no file: containers may forbid it (make no-files)."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import pytest
from mypy_boto3_s3 import S3Client
from support.batch import RUN_BATCH, make_flowers
from support.checkout import CHAIN, Checkout, Run

from gokart_pipeline_sample.io.compiled_model import get_default_folder

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed"),
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount"),
]

# Calls that change a file system, or open a file to do so.
OPENING = ("open", "openat", "openat2")
CHANGING = (
    *("creat", "truncate", "mknod", "mknodat", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat"),
    *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat"),
)
# All is read-only but /dev and /proc, for a user who may read all and owns nothing.
READ_ONLY = """
while read -r _ point _; do
    case "$point" in /dev|/dev/*|/proc|/proc/*) ;; *) mount -o remount,bind,ro "$point" || exit 1 ;; esac
done < /proc/self/mounts
exec setpriv --reuid=65534 --regid=65534 --clear-groups --bounding-set=-all,+dac_read_search \
    --inh-caps=-all,+dac_read_search --ambient-caps=-all,+dac_read_search "$@"
"""
COMPILED = ("--gokart-pipeline-sample.ScoreTableTask-engine", "compiled")
RUNS = {"RunTask": (), "RunBatchTask": (*RUN_BATCH, "--rows-per-part", "40", "--workers", "2", *COMPILED)}


@pytest.fixture
def on_s3(checkout: Checkout, bucket: str, s3: S3Client) -> Checkout:
    """A project that never ran, with its workspace on S3, and with a table to score whose ids are not sorted."""
    checkout.use_workspace(f"s3://{bucket}/workspace")
    checkout.edit("conf/param.ini", "write=false", "write=true")
    table = make_flowers(100).sample(frac=1, random_state=0).to_csv(index=False)
    s3.put_object(Bucket=bucket, Key="new.csv", Body=table.encode())
    checkout.environment |= {"PYTHONDONTWRITEBYTECODE": "1", "HOME": str(checkout.directory.parent)}
    return checkout


def find_changes(trace: Path) -> list[str]:
    """Return the calls that have changed anything outside of /dev and /proc, or could have."""
    changes, folders = [], dict[str, str]()
    for line in trace.read_text().splitlines():
        found = re.fullmatch(r"(\d+) +(\w+)\((.*)\) += .*", line)
        if not found or (found[2] in OPENING and not re.search(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC", found[3])):
            continue
        process, call, arguments = found.groups()
        paths = re.findall(r'(?:(?:AT_FDCWD|\d+)<(.*?)>, )?"(.*?)"', arguments)
        if call == "chdir":
            folders[process] = paths[0][1]
            continue
        # A call without the descriptor of a folder is about the folder of its process.
        places = [os.path.join(folders.get(process, ""), *path) for path in paths]  # noqa: PTH118 - not opened
        if not all(place.startswith(("/dev/", "/proc/")) for place in places):
            changes.append(line)
    return changes


def trace(checkout: Checkout, *command: str) -> tuple[Run, list[str]]:
    output = checkout.directory.parent / "trace"
    calls = ",".join(f"?{name}" for name in ("chdir", *OPENING, *CHANGING))
    strace = [
        "strace",
        "-f",
        "-y",
        "--seccomp-bpf",
        "-qqq",
        "-s",
        "4096",
        "--status=successful",
        "-e",
        f"trace={calls}",
        "-o",
        str(output),
    ]
    return checkout.execute([*strace, sys.executable, *command]), find_changes(output)


def get_options(name: str, bucket: str) -> tuple[str, ...]:
    return (*RUNS[name], *(["--table", f"s3://{bucket}/new.csv"] if name == "RunBatchTask" else []))


def test_what_is_written_is_seen(checkout: Checkout) -> None:
    _, changes = trace(checkout, "-c", "import os; open('x', 'w'); os.mkdir('y'); open('/dev/null', 'w'); open('/')")

    assert [re.search('"(.*?)"', change)[1] for change in changes] == ["x", "y"]


@pytest.mark.parametrize("name", RUNS)
def test_no_file_is_written(on_s3: Checkout, bucket: str, name: str) -> None:
    # A library that an earlier run has left would be used again.
    shutil.rmtree(get_default_folder(in_memory=True), ignore_errors=True)
    run, changes = trace(on_s3, "main.py", *get_options(name, bucket))

    assert run.exit_code == 0, run.stderr
    assert changes == []
    assert "cannot be compiled" not in run.stderr
    assert f"report     s3://{bucket}/workspace/runs/" in run.stdout


@pytest.mark.parametrize("name", RUNS)
def test_nothing_needs_to_be_writable(on_s3: Checkout, bucket: str, name: str) -> None:
    command = ["unshare", "--mount", "--propagation=private", "sh", "-c", READ_ONLY, "sh", sys.executable, "main.py"]

    run = on_s3.execute([*command, *get_options(name, bucket)], TMPDIR="/nowhere", HOME="/nowhere")

    assert run.exit_code == 0, run.stderr
    assert set(CHAIN[:-1]) <= set(run.tasks)
    assert "cannot be compiled" not in run.stderr
    assert f"report     s3://{bucket}/workspace/runs/" in run.stdout
    assert not re.search("matplotlib|font|temporary", run.stderr, re.IGNORECASE), run.stderr
