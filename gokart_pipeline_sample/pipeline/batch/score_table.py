"""Score a table of new rows."""

from __future__ import annotations

import math
from collections.abc import Iterator
from logging import getLogger
from typing import Any, NamedTuple

import luigi
import pandas as pd
import pyarrow as pa
from pandera.config import ValidationDepth, config_context
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import PredictionError
from gokart_pipeline_sample.io.compiled_model import ENGINES, Engine, choose_engines, get_default_folder
from gokart_pipeline_sample.io.file_formats import FormatProcessor, ParquetProcessor, PyArrowCsvProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept
from gokart_pipeline_sample.io.manifest import Part, S3ManifestTarget
from gokart_pipeline_sample.io.tables.casts import to_text
from gokart_pipeline_sample.io.tables.table import Piece, Table
from gokart_pipeline_sample.io.threads import count_threads
from gokart_pipeline_sample.pipeline.batch.guard_table import GuardTableTask
from gokart_pipeline_sample.pipeline.batch.manifest import Manifest, UnseenValues
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference, count_rows, measure_shift
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.model.model_input import count_unseen, select_features
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Preprocess, preprocess_valid
from gokart_pipeline_sample.pipeline.schemas.base import passing_equal_ids
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema, PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.train import TrainTask
from gokart_pipeline_sample.pipeline.upload import UploadS3Task
from gokart_pipeline_sample.utils.cluster_task import THREADS, ClusterTask
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.progress import showing_progress
from gokart_pipeline_sample.utils.shown_task import S3DestinationTask, ShownTask
from gokart_pipeline_sample.utils.table_task import TABLE_PARAMETERS, TableTask

logger = getLogger(__name__)

REJECTED = "rejected/"
SHOWN_VALUES = 10


class PartScorer(NamedTuple):
    """All that is needed to score a part, in this process or in another one."""

    engine: Engine
    reference: Reference
    duplicates: pd.Index[Any]  # the ids that occur more than once in the table
    preprocess: Preprocess
    table: Table
    target: S3ManifestTarget
    processor: FormatProcessor
    with_proba: bool  # whether the probability of each class is published
    is_valid: bool = False  # whether the guard has found no bad row in the table
    publish: tuple[str, ...] = ()  # the columns of a row that are published beside its prediction
    with_reasons: int = 0  # how many features are named that contribute most

    def put(self, part: tuple[int, str, Piece]) -> tuple[int, int, Any]:
        """Score a part, and put it after its rejected rows; return its number, that of its rows, and a note on it."""
        number, name, piece = part
        rows, batches = self.table.read_piece(FeatureSchema.new_row_schema(), piece)
        if self.is_valid:
            batches.clear()
        predictions, reasons, figures = self.score(rows, name)
        frames = {f"{REJECTED}{name}": describe_rejected(batches, reasons)} if len(reasons) else {}
        # Checked already, as a PredictionSchema and a PreprocessedSchema.
        frames[name] = predictions.drop(columns=[] if self.with_proba else PredictionSchema.probability_columns())
        put = {name: self.target.put_part(name, frame, self.processor) for name, frame in frames.items()}
        return number, len(rows), {"put": put, "figures": figures}

    def score(
        self, data: pd.DataFrame, name: str
    ) -> tuple[DataFrame[PredictionSchema], pd.Series[str], dict[str, Any]]:
        """Predict the valid rows of a part as it was read; see :func:`separate_rows`.

        Return their predictions in order; why other rows are rejected, by their index; and figures of the former, which
        are added to those of other parts: the ``counts`` of the reference, and the values ``unseen``, by feature.
        """
        model = self.engine.model
        # The guard has checked the values of the very same rows; where all are valid, schemas need only convert them.
        with config_context(validation_depth=ValidationDepth.SCHEMA_ONLY if self.is_valid else None):
            preprocessed, breaches = preprocess_valid(FeatureSchema, data, self.duplicates, self.preprocess)
        features = select_features(preprocessed, get_kept(model, "fitted_features"))
        raw = self.engine.predict(features, name)
        ids, threads = preprocessed[PreprocessedSchema.id_column()], self.engine.threads
        predictions = PredTask.label(raw, ids, model, features, self.with_reasons, threads)
        with passing_equal_ids():
            scored = PredictionSchema.validate(predictions, lazy=True, inplace=True)
        scored = scored.assign(**preprocessed[[*self.publish]])
        reasons = (breaches["column"] + " breaks " + breaches["check"]).groupby(breaches["row"]).agg("; ".join)
        unseen = {
            column: UnseenValues(rows=int(rows.sum()), values=rows.index[:SHOWN_VALUES].tolist())
            for column, rows in count_unseen(model, features).items()
        }
        return scored, reasons, {"counts": count_rows(model, features, scored, self.reference), "unseen": unseen}


class ScoreTableTask(ShownTask[Manifest], TableTask[Manifest], ClusterTask[Manifest], S3DestinationTask[Manifest]):
    """Predicts new rows, puts them on S3 in parts and outputs their manifest; reuses the parts of a run that died."""

    document = "shift"

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the model.")
    reference_task: TaskParameter[Reference] = TaskParameter("Task that describes the test rows of the model.")
    checked_task: OptionalTaskParameter = OptionalTaskParameter(significant=False, description="Checks a new model.")
    champion: luigi.DictParameter = luigi.DictParameter(
        default={}, significant=False, description="The pointer to the champion, for the manifest, if the model is one."
    )
    guard_task: TaskParameter[dict[str, Any]] = TaskParameter("Task that has checked every row of the table.")
    table, encoding, delimiter, decimal = (borrow(GuardTableTask, name) for name in TABLE_PARAMETERS)
    prefix: luigi.Parameter[str] = luigi.Parameter(default="batch", description="Prefix of all published keys.")
    output_format: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="csv", choices=["csv", "parquet"], description="Format of the parts."
    )
    rows_per_part: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=250_000, var_type=int, min_value=1, max_value=2**31, description="Rows per part; three are in memory."
    )
    with_proba = borrow(MakeOutputTask, "with_proba")
    with_reasons = borrow(PredTask, "with_reasons")
    engine: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="auto", choices=list(ENGINES), significant=False, description="What predicts; all give the same bits."
    )
    publish = borrow(MakeOutputTask, "publish")
    bom = borrow(UploadS3Task, "bom")
    lookups = borrow(GuardTableTask, "lookups")
    threads = borrow(TrainTask, "threads")

    def output(self) -> S3ManifestTarget:
        """Return the manifest on S3."""
        return S3ManifestTarget(self.bucket, self.prefix, self.make_unique_id(), self.encryption())

    def run(self) -> None:
        """Score the table part by part, and put the manifest last."""
        model, reference = self.load(self.model_task), self.load(self.reference_task)
        guarded, table, target = self.load(self.guard_task), self.open_table(), self.output()
        rows, twice, is_valid = guarded["rows"], pd.Index(guarded["duplicates"]), not guarded["bad_rows"]
        # The workers of a cluster share the cores of their machine among them.
        workers = min(THREADS, math.ceil(rows / self.rows_per_part) or 1)
        threads = 1 if self.dask_scheduler else max(1, count_threads(self.threads) // workers)
        engines, folder = choose_engines(self.engine, model, rows), get_default_folder(in_memory=self.is_on_s3)
        engine = Engine(model, engines, folder, threads)
        unique, bound = [OutputSchema.id_column()], LOOKUPS.bind(PreprocessTask.preprocess, self.lookups)
        processor = PyArrowCsvProcessor(self.bom) if self.output_format == "csv" else ParquetProcessor(unique)
        rest = table, target, processor, self.with_proba, is_valid, self.publish, self.with_reasons
        scorer = PartScorer(engine, reference, twice, bound, *rest)
        try:
            notes = self.score_parts(scorer, target.find_notes(), rows)
        except PredictionError as error:
            logger.warning("%s: LightGBM predicts the whole table", error)
            notes = self.score_parts(scorer._replace(engine=Engine(model, threads=threads)), {}, rows)
        parts = {name: part for note in notes.values() for name, part in note["put"].items()}
        published, rejected = self.list_parts(parts, rows)
        described = {"decision": decision["text"]} if (decision := get_kept(model, "decision")) else {}
        in_order = [notes[number]["figures"] for number in sorted(notes)]
        self.dump(
            Manifest(
                parts=published,
                rejected=rejected,
                rows_in=rows,
                rows_published=sum(part["rows"] for part in published),
                rows_rejected=sum(part["rows"] for part in rejected),
                model={"unique_id": self.model_task.make_unique_id(), **described, **reference["figures"]},
                champion=dict(self.champion) or None,
                table={"fingerprint": table.fingerprint},
                unseen=add_unseen([part["unseen"] for part in in_order]),
                shift=measure_shift([part["counts"] for part in in_order], reference),
            )
        )
        logger.info("put %s", target.path())

    def load_document(self) -> Any:
        """Return the shift of the rows, if there are any."""
        return self.output().load()["shift"]

    def score_parts(self, scorer: PartScorer, notes: dict[int, Any], rows: int) -> dict[int, Any]:
        """Score and put the parts without a note of an earlier run, and note them; return the notes on all parts."""
        with self.start_workers(self.bucket) as workers, showing_progress("scored", rows, "rows") as bar:

            def list_missing() -> Iterator[tuple[int, str, Piece]]:
                schema = FeatureSchema.new_row_schema()
                # The cells of rejected rows are published as they are written.
                pieces = scorer.table.list_pieces(
                    schema, self.rows_per_part, elsewhere=bool(self.dask_scheduler), as_text=not scorer.is_valid
                )
                for number, piece in enumerate(pieces):
                    name = f"part-{number:05d}.{self.output_format}"
                    if number in notes and sum(part["rows"] for part in notes[number]["put"].values()) == len(piece):
                        bar.update(len(piece))
                    else:
                        yield number, name, piece

            for _, (number, count, note) in workers.map(scorer.put, list_missing()):
                notes[number] = note
                # After the part, and by this thread alone: no other one may have put less meanwhile.
                scorer.target.put_note(number, notes)
                bar.update(count)
        return notes

    @staticmethod
    def list_parts(parts: dict[str, Part], rows: int) -> tuple[list[Part], list[Part]]:
        """Return the published parts and those of rejected rows, in order; raise a ValueError if rows do not add up."""
        names = sorted(parts, key=lambda name: (len(name), name))  # by their numbers, which have five digits or more
        published = [parts[name] for name in names if not name.startswith(REJECTED)]
        rejected = [parts[name] for name in names if name.startswith(REJECTED)]
        put, refused = (sum(part["rows"] for part in some) for some in (published, rejected))
        if put + refused != rows:
            raise ValueError(f"{rows} rows came in, {put} are published and {refused} rejected: delete the parts")
        return published, rejected


def describe_rejected(batches: list[pa.RecordBatch], reasons: pd.Series[str]) -> pd.DataFrame:
    """Return the rejected rows of a part as text, with the reasons in a column that the table does not have."""
    rows, name = to_text(batches).loc[reasons.index], "reason"
    while name in rows.columns.str.lower():  # SQL does not distinguish upper and lower case.
        name += "_"
    return rows.assign(**{name: reasons})


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
