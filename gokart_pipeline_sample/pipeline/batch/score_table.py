"""Score a table of new rows."""

from __future__ import annotations

import functools
from collections.abc import Collection
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import gokart
import luigi
import pandas as pd
from gokart.utils import FlattenableItems
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.frame_formats import CONTENT_TYPES, serialize_frame
from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.io.s3_batch import Part, S3ManifestTarget
from gokart_pipeline_sample.io.tables import open_table
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardResult, GuardTableTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.utils.parameters import TableParameter
from gokart_pipeline_sample.utils.progress import showing_progress
from gokart_pipeline_sample.utils.s3_destination import S3DestinationTask

# RunBatchTask has these parameters too: what its own section does not say, this one says.
SECTION = "gokart_pipeline_sample.ScoreTableTask"
REJECTED = "rejected/"


class ScoreTableTask(S3DestinationTask[dict[str, Any]]):
    """Predicts new rows, ``rows_per_part`` of them at a time in memory, and puts the predictions on S3 as parts.

    Its output is the manifest of the parts. A run that died left parts, which the next one takes as they are.
    """

    model_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[Booster]] = gokart.TaskInstanceParameter(
        description="Task that puts out the model."
    )
    checked_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[OutputSchema]]] = (
        gokart.TaskInstanceParameter(
            significant=False, description="Task that lets the model pass, and puts out its accuracy."
        )
    )
    guard_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[GuardResult]] = gokart.TaskInstanceParameter(
        description="Task that has looked at every row of the table."
    )
    table: TableParameter = TableParameter(description="Path or URI of the table to score; a target is not read.")
    prefix: luigi.Parameter[str] = luigi.Parameter(
        default="batch",
        config_path={"section": SECTION, "name": "prefix"},
        description="What the keys of all that is published begin with.",
    )
    output_format: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="csv",
        choices=list(CONTENT_TYPES),
        config_path={"section": SECTION, "name": "output_format"},
        description="Format of the parts.",
    )
    rows_per_part: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=250_000,
        var_type=int,
        min_value=1,
        max_value=2**31,
        config_path={"section": SECTION, "name": "rows_per_part"},
        description="Rows of the table that make a part; so many are in memory at a time.",
    )
    with_proba: luigi.BoolParameter = luigi.BoolParameter(
        parsing=luigi.BoolParameter.EXPLICIT_PARSING,
        config_path={"section": SECTION, "name": "with_proba"},
        description="Whether the probability of each class is published beside the class.",
    )

    def output(self) -> S3ManifestTarget:
        """Return the manifest on S3."""
        return self._target

    @functools.cached_property
    def _target(self) -> S3ManifestTarget:
        return S3ManifestTarget(self.bucket, self.prefix, self.make_unique_id(), self.encryption())

    def requires(self) -> FlattenableItems[gokart.TaskOnKart[Any]]:
        """Wait for the gate, which is no input: a stricter one does not make other predictions."""
        gate = self.checked_task.clone(significant=False)
        return {"model": self.model_task, "gate": gate, "guard": self.guard_task}

    def run(self) -> None:
        """Score the table part by part, and put the manifest last."""
        model, guarded = self.load(self.model_task), self.load(self.guard_task)
        schema = FeatureSchema.arrow_schema(FeatureSchema.new_row_columns())
        duplicates, parts = pd.Index(guarded["duplicates"]), self._target.find_parts()
        with (
            ThreadPoolExecutor(1) as uploader,
            showing_progress("scored", guarded["rows"], "rows") as advance,
        ):
            putting: Future[dict[str, Part]] = uploader.submit(dict)
            for number, chunk in enumerate(open_table(self.table).read_chunks(schema, self.rows_per_part)):
                name = self._name_part(number)
                found = [parts[key]["rows"] for key in (name, f"{REJECTED}{name}") if key in parts]
                if name not in parts or sum(found) != len(chunk):
                    scored, rejected = self.score(model, chunk, duplicates)
                    parts |= putting.result()
                    # A part is put while the next one is scored.
                    putting = uploader.submit(self._put_part, name, scored, rejected)
                advance(len(chunk))
            parts |= putting.result()
        accuracy = self.load(self.checked_task).attrs["accuracy"]
        manifest = self.make_manifest(
            parts,
            guarded["rows"],
            model={"unique_id": self.model_task.make_unique_id(), "accuracy": accuracy},
            table={"fingerprint": open_table(self.table).fingerprint},
        )
        self.dump(manifest)

    @staticmethod
    def score(
        model: Booster, data: pd.DataFrame, duplicates: Collection[object]
    ) -> tuple[DataFrame[PredictionSchema], pd.DataFrame]:
        """Predict the rows that keep the schema.

        Args:
            model: the model.
            data: rows as they were read; see :meth:`BaseSchema.sift`.
            duplicates: the ids that occur more than once in the table.

        Returns:
            The predictions, in the order of the rows, and the other rows, as text, with the column ``reason``.

        Raises:
            pandera.errors.SchemaErrors: what comes in, goes out or is made of it breaks its schema.
        """
        preprocessed, breaches = GuardTableTask.sift(data, duplicates)
        scored = PredTask.predict(model, preprocessed)
        reasons = (breaches["column"] + " breaks " + breaches["check"]).groupby(breaches["row"]).agg("; ".join)
        return scored, data.loc[reasons.index].astype("str").assign(reason=reasons)

    def _name_part(self, number: int) -> str:
        return f"part-{number:05d}.{self.output_format}"

    def _put_part(self, name: str, scored: DataFrame[PredictionSchema], rejected: pd.DataFrame) -> dict[str, Part]:
        """Put a part, and before it the rows that were rejected: where there is a part, there are these."""
        published = scored if self.with_proba else OutputSchema.validate(scored)
        frames = {f"{REJECTED}{name}": rejected} if len(rejected) else {}
        frames[name] = published
        return {
            name: self._target.put_part(
                name, serialize_frame(frame, self.output_format), CONTENT_TYPES[self.output_format], len(frame)
            )
            for name, frame in frames.items()
        }

    @staticmethod
    def make_manifest(parts: dict[str, Part], rows: int, **origin: object) -> dict[str, Any]:
        """Name all parts and count their rows.

        Args:
            parts: the parts by name; those of rejected rows are in ``rejected/``.
            rows: the rows of the table.
            origin: what the predictions were made of.

        Returns:
            ``parts``, ``rejected``, ``rows_in``, ``rows_published``, ``rows_rejected`` and what they were made of.

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
