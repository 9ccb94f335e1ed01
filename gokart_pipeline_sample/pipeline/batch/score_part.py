"""Score a part of a table of new rows, in this process or in another one."""

from __future__ import annotations

from typing import Any, NamedTuple, TypedDict

import pandas as pd
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.compiled_model import Engine
from gokart_pipeline_sample.io.file_formats import FormatProcessor, ParquetProcessor, PyArrowCsvProcessor
from gokart_pipeline_sample.io.lightgbm_model import get_fitted
from gokart_pipeline_sample.io.tables.table import Piece, Table
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.manifest import Part, S3ManifestTarget, UnseenValues
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


class PartScorer(NamedTuple):
    """All that is needed to score a part.

    Args:
        duplicates: the ids that occur more than once in the table.
        target: the manifest of the batch.
        with_proba: whether the probability of each class is published.
    """

    engine: Engine
    reference: Reference
    duplicates: pd.Index[Any]
    table: Table
    target: S3ManifestTarget
    with_proba: bool

    def put(self, part: tuple[str, Piece]) -> tuple[str, int, dict[str, Part], PartFigures]:
        """Score a part; put figures and rejected rows, and then the part, so that it never exists without them.

        Returns:
            Its name, the number of its rows, its objects by name, and its figures.
        """
        name, piece = part
        rows = self.table.read_piece(FeatureSchema.arrow_schema(FeatureSchema.new_row_columns()), piece)
        predictions, rejected, figures = self.score(rows, name)
        self.target.make_figures(name).dump(figures)
        frames = {f"{REJECTED}{name}": rejected} if len(rejected) else {}
        frames[name] = predictions if self.with_proba else OutputSchema.validate(predictions)
        processor = PART_FORMATS[name.rpartition(".")[2]]
        put = {name: self.target.put_part(name, frame, processor) for name, frame in frames.items()}
        return name, len(rows), put, figures

    def score(self, data: pd.DataFrame, name: str) -> tuple[DataFrame[PredictionSchema], pd.DataFrame, PartFigures]:
        """Predict the valid rows of a part, which are as they were read; see :func:`separate_rows`.

        Returns:
            The predictions of the valid rows, in the order of the rows; the invalid rows as text, with a column
            ``reason``; the figures of the valid rows.

        Raises:
            pandera.errors.SchemaErrors: a frame as a whole breaks its schema.
            PredictionError: see :meth:`Engine.predict`.
        """
        model = self.engine.model
        preprocessed, breaches = GuardTableTask.preprocess_valid(data, self.duplicates)
        features = select_features(preprocessed, get_fitted(model))
        predictions = PredTask.label(self.engine.predict(features, name), preprocessed[PreprocessedSchema.id_column()])
        scored = PredictionSchema.validate(predictions, lazy=True)
        reasons = (breaches["column"] + " breaks " + breaches["check"]).groupby(breaches["row"]).agg("; ".join)
        rejected = data.loc[reasons.index].astype("str").assign(reason=reasons)
        unseen = {
            column: UnseenValues(rows=int(rows.sum()), values=rows.index[:SHOWN_VALUES].tolist())
            for column, rows in count_unseen(model, features).items()
        }
        return scored, rejected, PartFigures(counts=count_rows(features, scored, self.reference), unseen=unseen)
