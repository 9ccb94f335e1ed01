"""Score a part of a table of new rows, in this process or in another one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, NamedTuple, TypedDict

import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.file_formats import FormatProcessor, ParquetProcessor, PyArrowCsvProcessor
from gokart_pipeline_sample.io.lightgbm_model import get_fitted
from gokart_pipeline_sample.io.tables.table import Piece, Table
from gokart_pipeline_sample.pipeline.batch.engine import Engine
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.manifest import Part, S3JsonTarget, S3ManifestTarget, UnseenValues
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference, RowCounts, count_rows
from gokart_pipeline_sample.pipeline.model.model_input import count_unseen, select_features
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

REJECTED = "rejected/"
SHOWN_VALUES = 10
PART_FORMATS: dict[str, FormatProcessor] = {
    "csv": PyArrowCsvProcessor(),
    "parquet": ParquetProcessor([OutputSchema.id_column()]),
}


class PartFigures(TypedDict):
    """Figures of the valid rows of a part; those of all parts are added."""

    counts: RowCounts
    unseen: dict[str, UnseenValues]  # by feature


class ScoredRows(NamedTuple):
    """Predictions of some rows of the table.

    Args:
        predictions: the predictions of the valid rows, in the order of the rows.
        rejected: the invalid rows as text, with a column ``reason``.
        figures: the figures of the valid rows.
    """

    predictions: DataFrame[PredictionSchema]
    rejected: pd.DataFrame
    figures: PartFigures


class PartRows(NamedTuple):
    """A part: its name, and its rows, or their numbers."""

    name: str
    rows: Piece


class MadePart(NamedTuple):
    """A part that has been put: its name, the number of its rows, its objects and its figures."""

    name: str
    rows: int
    parts: dict[str, Part]
    figures: PartFigures


class PartScorer(NamedTuple):
    """All that is needed to score a part.

    Args:
        engine: predicts.
        reference: the description of the model's test rows.
        duplicates: the ids that occur more than once in the table.
        table: the table.
        target: the manifest of the batch.
        with_proba: whether the probability of each class is published.
    """

    engine: Engine
    reference: Reference
    duplicates: pd.Index[Any]
    table: Table
    target: S3ManifestTarget
    with_proba: bool

    def put(self, part: PartRows) -> MadePart:
        """Score the rows; put figures and rejected rows, and then the part, so that it never exists without them."""
        rows = self.table.read_piece(FeatureSchema.arrow_schema(FeatureSchema.new_row_columns()), part.rows)
        scored = self.score(self.engine, rows, self.duplicates, self.reference, part.name)
        make_figures_target(self.target, part.name).dump(scored.figures)
        published = scored.predictions if self.with_proba else OutputSchema.validate(scored.predictions)
        frames = {f"{REJECTED}{part.name}": scored.rejected} if len(scored.rejected) else {}
        frames[part.name] = published
        processor = PART_FORMATS[part.name.rpartition(".")[2]]
        put = {name: self.target.put_part(name, frame, processor) for name, frame in frames.items()}
        return MadePart(part.name, len(rows), put, scored.figures)

    @staticmethod
    def score(
        engine: Engine, data: pd.DataFrame, duplicates: Collection[object], reference: Reference, name: str = ""
    ) -> ScoredRows:
        """Predict the valid rows.

        Args:
            engine: predicts.
            data: rows as they were read; see :func:`separate_rows`.
            duplicates: the ids that occur more than once in the table.
            reference: the description of the model's test rows.
            name: name of the part.

        Raises:
            pandera.errors.SchemaErrors: a frame as a whole breaks its schema.
            PredictionError: see :meth:`Engine.predict`.
        """
        preprocessed, breaches = GuardTableTask.preprocess_valid(data, duplicates)
        features = select_features(preprocessed, get_fitted(engine.model))
        predictions = PredTask.label(engine.predict(features, name), preprocessed[PreprocessedSchema.id_column()])
        scored = PredictionSchema.validate(predictions, lazy=True)
        reasons = (breaches["column"] + " breaks " + breaches["check"]).groupby(breaches["row"]).agg("; ".join)
        rejected = data.loc[reasons.index].astype("str").assign(reason=reasons)
        unseen = {
            name: UnseenValues(rows=int(rows.sum()), values=rows.index[:SHOWN_VALUES].tolist())
            for name, rows in count_unseen(engine.model, features).items()
        }
        return ScoredRows(scored, rejected, PartFigures(counts=count_rows(features, scored, reference), unseen=unseen))


def make_figures_target(target: S3ManifestTarget, name: str) -> S3JsonTarget:
    """Return the object with the figures of a part."""
    return target.make_beside(f"figures/{name}.json")
