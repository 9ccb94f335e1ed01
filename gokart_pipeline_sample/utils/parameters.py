"""Parameters of tasks."""

import copy
import operator
import re
from typing import Any, TypeVar

import gokart
import luigi
from luigi.cmdline_parser import CmdlineParser
from luigi.parameter import OptionalParameterMixin

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.io.s3 import Encryption
from gokart_pipeline_sample.io.tables.table import open_table

T = TypeVar("T")

REPORT_NAME = "report.html"
LONGEST_KEY = 1024  # bytes
# The encryption of all objects that are put on S3 and of the workspace, unless a task has settings of its own.
UPLOADER = "gokart_pipeline_sample.UploadS3Task"
PREDICTOR = "gokart_pipeline_sample.PredTask"  # whose decision training has to know
ENCRYPTION: dict[str, luigi.Parameter[str]] = {
    "server_side_encryption": luigi.ChoiceParameter(
        default="", choices=["", "AES256", "aws:kms"], description="SSE-S3, SSE-KMS, or the default of the bucket."
    ),
    "kms_key_id": luigi.Parameter(default="", description="KMS key for SSE-KMS; AWS's own key for S3 when empty."),
}


def get_encryption() -> Encryption:
    """Return the encryption of ``UploadS3Task``."""
    encryption = Encryption(*(parameter.task_value(UPLOADER, name) for name, parameter in ENCRYPTION.items()))
    if encryption.kms_key_id and encryption.server_side != "aws:kms":
        raise SettingError("kms_key_id has no effect without server_side_encryption=aws:kms: set both, or neither")
    return encryption


class TableParameter(luigi.Parameter[str]):
    """Path or URI of a table; a task's identity depends on its content only, not on its name or modification time."""

    def serialize(self, x: str) -> str:
        """Return the fingerprint of the table, which makes the identity of a task, or raise a TableError."""
        return open_table(x).fingerprint if x else ""


class BucketParameter(luigi.Parameter[str]):
    """Name of a bucket, or the ARN of an access point."""

    def normalize(self, x: str) -> str:
        """Return the name; raise a SettingError if S3 has no such names."""
        if not re.fullmatch(r"[a-zA-Z0-9._-]{1,255}|arn:[^\s:]+:s3\S*:accesspoint[/:][^\s/]+", x):
            raise SettingError(f"the bucket is {x!r}: give its name alone, without s3:// and prefix (see BUCKET_NAME)")
        return x


class KeyParameter(luigi.Parameter[str]):
    """Key of an object on S3."""

    def normalize(self, x: str) -> str:
        """Return the key; raise a SettingError if it would not name the object that is put; S3 judges all others."""
        if (name := x.rpartition("/")[2]) in ("", REPORT_NAME):
            raise SettingError(f"the key {x!r} is that of a {'report' if name else 'folder'}: give another file name")
        if (size := len(x.encode(errors="replace"))) > LONGEST_KEY:
            raise SettingError(f"the key {x[:20]}… has {size} bytes: shorten it to {LONGEST_KEY}")
        return x


class TaskParameter(gokart.TaskInstanceParameter[gokart.TaskOnKart[T]]):
    """A task whose output is loaded as type ``T``."""

    def __init__(self, description: str) -> None:
        super().__init__(description=description)


class OptionalTaskParameter(OptionalParameterMixin[Any], gokart.TaskInstanceParameter[Any]):
    """A task, or None, which is the default."""


class ShareParameter(luigi.NumericalParameter[float]):
    """A share, from 0 to 1."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(var_type=float, min_value=0.0, max_value=1.0, right_op=operator.le, **kwargs)


class SchedulerParameter(luigi.Parameter[str]):
    """Address of a Dask scheduler, or nothing."""

    def normalize(self, x: str) -> str:
        """Return the address; raise a SettingError if it is not one of Dask's."""
        if x and not re.fullmatch(r"(tcp|tls)://[^\s/]+:\d+", x):
            raise SettingError(f"the address of a Dask scheduler is {x!r}: give tcp://HOST:PORT or tls://HOST:PORT")
        return x


def borrow(owner: type[luigi.Task], name: str, own: luigi.Parameter[Any] | None = None) -> Any:
    """Declare a parameter, its own or the same, that a task passes on to the task that owns it; see :func:`share`."""
    return share(own or getattr(owner, name), owner.get_task_family(), name)


def share(parameter: luigi.Parameter[Any], owner: str, name: str) -> Any:
    """Declare a parameter with the value that is set for its task, or else with the one that its owner would have."""

    def find(task: str, own_name: str) -> tuple[str, str]:
        given = getattr(CmdlineParser.get_instance(), "known_args", None)  # of --Task-name
        config = luigi.configuration.get_config()
        is_set = getattr(given, f"{task}_{own_name}", None) or config.has_option(task, own_name)
        return (task, own_name) if is_set else (owner, name)

    shared: Any = copy.copy(parameter)
    shared.has_task_value = lambda task, own_name: parameter.has_task_value(*find(task, own_name))
    shared.task_value = lambda task, own_name: parameter.task_value(*find(task, own_name))
    return shared
