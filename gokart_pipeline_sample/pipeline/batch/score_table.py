"""Score a table of new rows."""

from __future__ import annotations

import functools
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from logging import getLogger
from typing import Any, NamedTuple, TypedDict

import gokart
import luigi
import pandas as pd
from gokart.utils import FlattenableItems
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.file_formats import FormatProcessor, ParquetProcessor, PyArrowCsvProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.io.s3_batch import Part, S3ManifestTarget
from gokart_pipeline_sample.io.tables import open_table
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardResult, GuardTableTask
from gokart_pipeline_sample.pipeline.model_input import count_unseen, open_text_columns
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.parameters import TableParameter, borrow
from gokart_pipeline_sample.utils.progress import showing_progress
from gokart_pipeline_sample.utils.s3_destination import S3DestinationTask

logger = getLogger(__name__)

REJECTED = "rejected/"
SHOWN_VALUES = 10
PART_FORMATS: dict[str, FormatProcessor] = {"csv": PyArrowCsvProcessor(), "parquet": ParquetProcessor()}


class UnseenValues(TypedDict):
    """Values of an open text feature that no training row has."""

    rows: int
    values: list[str]  # the first of them


class ScoredRows(NamedTuple):
    """Predictions of some rows of the table.

    Args:
        predictions: the predictions of the valid rows, in the order of the rows.
        rejected: the invalid rows as text, with a column ``reason``.
        unseen: the number of valid rows by feature and value that no training row has.
    """

    predictions: DataFrame[PredictionSchema]
    rejected: pd.DataFrame
    unseen: dict[str, pd.Series[int]]


class ScoreTableTask(S3DestinationTask[dict[str, Any]]):
    """Predicts new rows, with ``rows_per_part`` of them in memory at a time, and puts the predictions on S3 as parts.

    Its output is the manifest of the parts. The next run reuses the parts of a run that died.
    """

    bucket = borrow(UploadS3Task, "bucket")
    server_side_encryption = borrow(UploadS3Task, "server_side_encryption")
    kms_key_id = borrow(UploadS3Task, "kms_key_id")
    model_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[Booster]] = gokart.TaskInstanceParameter(
        description="Task that outputs the model."
    )
    checked_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[OutputSchema]]] = (
        gokart.TaskInstanceParameter(
            significant=False, description="Task that checks the model and outputs its accuracy."
        )
    )
    guard_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[GuardResult]] = gokart.TaskInstanceParameter(
        description="Task that has checked every row of the table."
    )
    table: TableParameter = TableParameter(description="Path or URI of the table to score; its target is ignored.")
    prefix: luigi.Parameter[str] = luigi.Parameter(
        default="batch", description="Prefix of all keys that are published."
    )
    output_format: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="csv", choices=list(PART_FORMATS), description="Format of the parts."
    )
    rows_per_part: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=250_000,
        var_type=int,
        min_value=1,
        max_value=2**31,
        description="Rows of the table per part; only these are in memory at a time.",
    )
    with_proba: luigi.BoolParameter = luigi.BoolParameter(
        parsing=luigi.BoolParameter.EXPLICIT_PARSING,
        description="Whether the probability of each class is published beside the prediction.",
    )

    def output(self) -> S3ManifestTarget:
        """Return the manifest on S3."""
        return self._target

    @functools.cached_property
    def _target(self) -> S3ManifestTarget:
        return S3ManifestTarget(self.bucket, self.prefix, self.make_unique_id(), self.encryption())

    def requires(self) -> FlattenableItems[gokart.TaskOnKart[Any]]:
        """Wait for the accuracy check, which is not an input: a stricter one does not change the predictions."""
        gate = self.checked_task.clone(significant=False)
        return {"model": self.model_task, "gate": gate, "guard": self.guard_task}

    def run(self) -> None:
        """Score the table part by part, and put the manifest last."""
        model, guarded = self.load(self.model_task), self.load(self.guard_task)
        schema = FeatureSchema.arrow_schema(FeatureSchema.new_row_columns())
        duplicates, parts = pd.Index(guarded["duplicates"]), self._target.find_parts()
        unseen: dict[str, UnseenValues] = {}
        with (
            ThreadPoolExecutor(1) as uploader,
            showing_progress("scored", guarded["rows"], "rows") as advance,
        ):
            putting: Future[dict[str, Part]] = uploader.submit(dict)
            for number, chunk in enumerate(open_table(self.table).read_chunks(schema, self.rows_per_part)):
                name = self._name_part(number)
                found = [parts[key]["rows"] for key in (name, f"{REJECTED}{name}") if key in parts]
                if name not in parts or sum(found) != len(chunk):
                    scored = self.score(model, chunk, duplicates)
                    parts |= putting.result()
                    # A part is put while the next one is scored.
                    putting = uploader.submit(self._put_part, name, scored)
                    self._note_unseen(unseen, scored.unseen)
                elif open_text_columns():
                    # The part was put by a run that died before it could tell of them.
                    valid, _ = GuardTableTask.preprocess_valid(chunk, duplicates)
                    self._note_unseen(unseen, count_unseen(model, valid))
                advance(len(chunk))
            parts |= putting.result()
        accuracy = self.load(self.checked_task).attrs["accuracy"]
        manifest = self.make_manifest(
            parts,
            guarded["rows"],
            model={"unique_id": self.model_task.make_unique_id(), "accuracy": accuracy},
            table={"fingerprint": open_table(self.table).fingerprint},
            unseen=unseen,
        )
        self.dump(manifest)

    @staticmethod
    def score(model: Booster, data: pd.DataFrame, duplicates: Collection[object]) -> ScoredRows:
        """Predict the valid rows.

        Args:
            model: the model.
            data: rows as they were read; see :func:`separate_rows`.
            duplicates: the ids that occur more than once in the table.

        Raises:
            pandera.errors.SchemaErrors: a frame as a whole breaks its schema.
        """
        preprocessed, breaches = GuardTableTask.preprocess_valid(data, duplicates)
        scored = PredTask.predict(model, preprocessed)
        reasons = (breaches["column"] + " breaks " + breaches["check"]).groupby(breaches["row"]).agg("; ".join)
        rejected = data.loc[reasons.index].astype("str").assign(reason=reasons)
        return ScoredRows(scored, rejected, count_unseen(model, preprocessed))

    @staticmethod
    def _note_unseen(noted: dict[str, UnseenValues], counts: dict[str, pd.Series[int]]) -> None:
        for name, rows in counts.items():
            values = noted.setdefault(name, UnseenValues(rows=0, values=[]))
            values["rows"] += int(rows.sum())
            values["values"] = [*dict.fromkeys([*values["values"], *rows.index])][:SHOWN_VALUES]
            logger.warning("%d rows have values of %s that no training row has: %s", rows.sum(), name, values["values"])

    def _name_part(self, number: int) -> str:
        return f"part-{number:05d}.{self.output_format}"

    def _put_part(self, name: str, scored: ScoredRows) -> dict[str, Part]:
        """Put the rejected rows and then the part, so that a part never exists without its rejected rows."""
        published = scored.predictions if self.with_proba else OutputSchema.validate(scored.predictions)
        frames = {f"{REJECTED}{name}": scored.rejected} if len(scored.rejected) else {}
        frames[name] = published
        return {
            name: self._target.put_part(name, frame, PART_FORMATS[self.output_format]) for name, frame in frames.items()
        }

    @staticmethod
    def make_manifest(parts: dict[str, Part], rows: int, **origin: object) -> dict[str, Any]:
        """List all parts and count their rows.

        Args:
            parts: the parts by name; those of rejected rows are in ``rejected/``.
            rows: the rows of the table.
            origin: the model and the table that the predictions come from, and the values that the model did not know.

        Returns:
            ``parts``, ``rejected``, ``rows_in``, ``rows_published``, ``rows_rejected`` and the origin.

        Raises:
            ValueError: rows are missing, or there are too many.
        """
        names = sorted(parts, key=lambda name: (len(name), name))
        published = [parts[name] for name in names if not name.startswith(REJECTED)]
        rejected = [parts[name] for name in names if name.startswith(REJECTED)]
        rows_published, rows_rejected = (sum(part["rows"] for part in some) for some in (published, rejected))
        if rows_published + rows_rejected != rows:
            raise ValueError(
                f"{rows} rows came in, {rows_published} are published and {rows_rejected} rejected: delete the parts"
            )
        return {
            "parts": published,
            "rejected": rejected,
            "rows_in": rows,
            "rows_published": rows_published,
            "rows_rejected": rows_rejected,
            **origin,
        }
