"""Tasks that put objects on S3, and of which a run shows more than their outcome."""

from abc import abstractmethod
from typing import Any, NamedTuple, TypedDict, cast

import luigi
from gokart.target import TargetOnKart

from gokart_pipeline_sample.io.s3 import Encryption
from gokart_pipeline_sample.io.targets import S3Target
from gokart_pipeline_sample.utils.parameters import ENCRYPTION, REPORT_NAME, UPLOADER, BucketParameter, T, share
from gokart_pipeline_sample.utils.template import GokartTask

PUBLISHED = "published"


class Figures(TypedDict, total=False):
    """Figures of a published object; one that does not apply is None or missing."""

    accuracy: float | None  # of the model, from 0 to 1
    mae: float | None  # its mean absolute error instead, if the target is a number
    decision: str | None  # of the model, if it is not for the most probable class
    rows: int | None  # number of published rows
    share: float | None  # of the rows of a batch to the median of the batches before
    rejected: int | None  # number of rejected rows of a batch
    parts: int | None  # number of parts of a batch
    unseen: dict[str, int] | None  # number of rows of a batch with a value that no training row has, by column
    estimated: list[float] | None  # accuracy or mae of a batch, with its interval of 95%
    alarms: list[str] | None  # about a batch or its truth, as sentences
    champion: str | None  # the last decision about the champion
    delivered: str | None  # how many rows of a batch went to which table of a database


class Published(NamedTuple):
    """An object that was published: its figures, and the verdict on a run that has just put it, but for alarms."""

    figures: Figures
    verdict: str = PUBLISHED


class ShownTask(GokartTask[T]):
    """A task of whose output or parameters a run shows something; a new one needs no change in the runner."""

    # "metrics", "shift" or "sizes", if the output is this part of the report.
    document = ""
    # The accuracy that the model must exceed, and other requirements as text, if the task checks these.
    require_acc: Any = None
    require: Any = ""

    def load_document(self) -> Any:
        """Return the part of the report, if there is one; asked only if the output exists."""
        return cast("TargetOnKart", self.output()).load()


class PublisherTask(ShownTask[T]):
    """A task that publishes an object on S3."""

    # Name of the report of the run, which is put beside the object.
    report_name = REPORT_NAME

    @abstractmethod
    def output(self) -> S3Target:
        """Return the object."""

    @abstractmethod
    def describe(self) -> Published:
        """Describe the object, which exists; raise a PipelineError, ValueError or KeyError if it cannot be read."""


class S3DestinationTask(GokartTask[T]):
    """A task that puts objects on S3, by default into the bucket of ``UploadS3Task`` and encrypted like its object."""

    bucket: luigi.Parameter[str] = share(BucketParameter(description="Bucket to publish to."), UPLOADER, "bucket")
    server_side_encryption, kms_key_id = (share(each, UPLOADER, name) for name, each in ENCRYPTION.items())

    def encryption(self) -> Encryption:
        """Return the encryption of the task's objects."""
        return Encryption(self.server_side_encryption, self.kms_key_id)
