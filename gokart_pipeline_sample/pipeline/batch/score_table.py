"""Score a table of new rows."""

from __future__ import annotations

import functools
from collections.abc import Collection, Iterable, Iterator
from logging import getLogger
from typing import Any, NamedTuple, TypedDict

import gokart
import luigi
import pandas as pd
from gokart.utils import FlattenableItems
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.file_formats import FormatProcessor, ParquetProcessor, PyArrowCsvProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster, get_fitted
from gokart_pipeline_sample.io.s3_batch import Part, S3JsonTarget, S3ManifestTarget
from gokart_pipeline_sample.io.tables import Table, open_table
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardResult, GuardTableTask
from gokart_pipeline_sample.pipeline.make_reference import Reference, RowCounts, add_counts, count_rows, measure_shift
from gokart_pipeline_sample.pipeline.model_input import count_unseen, select_features
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.utils.cluster_task import ClusterTask
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, TableParameter
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


class PartFigures(TypedDict):
    """What is known of the valid rows of a part beside their predictions; those of all parts are added."""

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


class PartToMake(NamedTuple):
    """A part: its name, and its rows, or their numbers."""

    name: str
    rows: pd.DataFrame | range


class MadePart(NamedTuple):
    """A part that has been put: its name, the number of its rows, its objects and its figures."""

    name: str
    rows: int
    parts: dict[str, Part]
    figures: PartFigures


class PartMaker(NamedTuple):
    """What is needed to make a part, in this process or in another one.

    Args:
        model: the model.
        reference: the description of the model's test rows.
        duplicates: the ids that occur more than once in the table.
        table: the table.
        target: the manifest of the batch.
        with_proba: whether the probability of each class is published.
    """

    model: Booster
    reference: Reference
    duplicates: pd.Index[Any]
    table: Table
    target: S3ManifestTarget
    with_proba: bool

    def make(self, part: PartToMake) -> MadePart:
        """Score the rows; put figures and rejected rows, and then the part, so that it never exists without them."""
        rows = self.table.read_piece(FeatureSchema.arrow_schema(FeatureSchema.new_row_columns()), part.rows)
        scored = ScoreTableTask.score(self.model, rows, self.duplicates, self.reference)
        make_figures_target(self.target, part.name).dump(scored.figures)
        published = scored.predictions if self.with_proba else OutputSchema.validate(scored.predictions)
        frames = {f"{REJECTED}{part.name}": scored.rejected} if len(scored.rejected) else {}
        frames[part.name] = published
        processor = PART_FORMATS[part.name.rpartition(".")[2]]
        put = {name: self.target.put_part(name, frame, processor) for name, frame in frames.items()}
        return MadePart(part.name, len(rows), put, scored.figures)


def make_figures_target(target: S3ManifestTarget, name: str) -> S3JsonTarget:
    """Return the object with the figures of a part."""
    return target.make_beside(f"figures/{name}.json")


class ScoreTableTask(ClusterTask[dict[str, Any]], S3DestinationTask[dict[str, Any]]):
    """Predicts new rows, ``rows_per_part`` of them at a time, and puts the predictions on S3 as parts.

    Its output is the manifest of the parts. The next run reuses the parts of a run that died.
    """

    model_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[Booster]] = gokart.TaskInstanceParameter(
        description="Task that outputs the model."
    )
    reference_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[Reference]] = gokart.TaskInstanceParameter(
        description="Task that describes the test rows of the model."
    )
    checked_task: OptionalTaskParameter = OptionalTaskParameter(
        significant=False, description="Task that checks the model, if that is not done yet."
    )
    champion: luigi.DictParameter = luigi.DictParameter(
        default={}, significant=False, description="The pointer to the champion, for the manifest, if the model is one."
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
        description="Rows of the table per part; those of two parts are in memory at a time.",
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
        """Wait for the accuracy check, too, which is not an input: a stricter one does not change the predictions."""
        gate = {"gate": self.checked_task.clone(significant=False)} if self.checked_task else {}
        return {"model": self.model_task, "reference": self.reference_task, "guard": self.guard_task, **gate}

    def run(self) -> None:
        """Score the table part by part, and put the manifest last."""
        model, reference = self.load(self.model_task), self.load(self.reference_task)
        guarded, table = self.load(self.guard_task), open_table(self.table)
        target, with_proba = self._target, self.with_proba
        maker = PartMaker(model, reference, pd.Index(guarded["duplicates"]), table, target, with_proba)
        parts, figures = target.find_parts(), dict[str, PartFigures]()
        with (
            self.start_workers(self.bucket) as workers,
            showing_progress("scored", guarded["rows"], "rows") as advance,
        ):

            def list_missing() -> Iterator[PartToMake]:
                """Yield the parts that no run before this one has put."""
                schema = FeatureSchema.arrow_schema(FeatureSchema.new_row_columns())
                pieces = table.list_pieces(schema, self.rows_per_part, elsewhere=workers.are_elsewhere)
                for number, piece in enumerate(pieces):
                    name = f"part-{number:05d}.{self.output_format}"
                    found = [parts[key]["rows"] for key in (name, f"{REJECTED}{name}") if key in parts]
                    beside = make_figures_target(target, name)
                    if name not in parts or sum(found) != len(piece) or not beside.exists():
                        yield PartToMake(name, piece)
                    else:
                        figures[name] = beside.load()
                        advance(len(piece))

            for _, made in workers.map(PartMaker.make, maker, list_missing()):
                parts |= made.parts
                figures[made.name] = made.figures
                advance(made.rows)
        in_order = [figures[name] for name in sort_names(figures)]
        manifest = self.make_manifest(
            parts,
            guarded["rows"],
            model={"unique_id": self.model_task.make_unique_id(), "accuracy": reference["accuracy"]},
            champion=dict(self.champion) or None,
            table={"fingerprint": table.fingerprint},
            unseen=add_unseen([part["unseen"] for part in in_order]),
            shift=measure_shift(add_counts([part["counts"] for part in in_order]), reference),
        )
        self.dump(manifest)
        logger.info("put %s", target.path())

    @staticmethod
    def score(model: Booster, data: pd.DataFrame, duplicates: Collection[object], reference: Reference) -> ScoredRows:
        """Predict the valid rows.

        Args:
            model: the model.
            data: rows as they were read; see :func:`separate_rows`.
            duplicates: the ids that occur more than once in the table.
            reference: the description of the model's test rows.

        Raises:
            pandera.errors.SchemaErrors: a frame as a whole breaks its schema.
        """
        preprocessed, breaches = GuardTableTask.preprocess_valid(data, duplicates)
        features = select_features(preprocessed, get_fitted(model))
        scored = PredTask.predict(model, preprocessed, features)
        reasons = (breaches["column"] + " breaks " + breaches["check"]).groupby(breaches["row"]).agg("; ".join)
        rejected = data.loc[reasons.index].astype("str").assign(reason=reasons)
        unseen = {
            name: UnseenValues(rows=int(rows.sum()), values=rows.index[:SHOWN_VALUES].tolist())
            for name, rows in count_unseen(model, features).items()
        }
        return ScoredRows(scored, rejected, PartFigures(counts=count_rows(features, scored, reference), unseen=unseen))

    @staticmethod
    def make_manifest(parts: dict[str, Part], rows: int, **origin: object) -> dict[str, Any]:
        """List all parts and count their rows.

        Args:
            parts: the parts by name; those of rejected rows are in ``rejected/``.
            rows: the rows of the table.
            origin: the model and the table that the predictions come from, and the shift of the rows.

        Returns:
            ``parts``, ``rejected``, ``rows_in``, ``rows_published``, ``rows_rejected`` and the origin.

        Raises:
            ValueError: rows are missing, or there are too many.
        """
        names = sort_names(parts)
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


def sort_names(names: Iterable[str]) -> list[str]:
    """Return the names of parts in the order of their numbers, which have five digits or more."""
    return sorted(names, key=lambda name: (len(name), name))


def add_unseen(parts: list[dict[str, UnseenValues]]) -> dict[str, UnseenValues]:
    """Add the unseen values of all parts, and warn of them."""
    found: dict[str, UnseenValues] = {}
    for name, values in (item for part in parts for item in part.items()):
        known = found.setdefault(name, UnseenValues(rows=0, values=[]))
        known["rows"] += values["rows"]
        known["values"] = [*dict.fromkeys([*known["values"], *values["values"]])][:SHOWN_VALUES]
    for name, values in found.items():
        logger.warning("%d rows have values of %s that no training row has: %s", values["rows"], name, values["values"])
    return found
