"""Compare a new model with the champion, and choose one of them."""

import functools
from collections.abc import Mapping
from logging import INFO, WARNING, getLogger
from typing import Any, NamedTuple, cast

import luigi
import numpy as np
import numpy.typing as npt
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import AccuracyTooLowError, ChampionError
from gokart_pipeline_sample.io.file_formats import JsonProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.pipeline.batch.manifest import make_folder
from gokart_pipeline_sample.pipeline.champion import registry
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.quality.requirements import RequirementsParameter, find_failures
from gokart_pipeline_sample.pipeline.schemas.output import match_by_id
from gokart_pipeline_sample.pipeline.schemas.prediction import PredictionSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.utils.parameters import ShareParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, S3DestinationTask
from gokart_pipeline_sample.utils.task_definition import define_task, hash_code

logger = getLogger(__name__)

PROMOTED, KEPT = "promoted", "kept"  # the beginning of a decision
CONFIDENCE = 0.95
DRAWS = 10_000
SEED = 42

Right = npt.NDArray[np.bool_]


class ChooseChampionTask(PublisherTask[registry.Pointer], S3DestinationTask[registry.Pointer]):
    """Points ``<prefix>/champion.json`` to the new model, or leaves it pointing to the champion; notes why."""

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the new model.")
    pred_task: TaskParameter[DataFrame[PredictionSchema]] = TaskParameter("Outputs its predictions.")
    metrics_task: TaskParameter[Metrics] = TaskParameter("Outputs its metrics.")
    reference_task: TaskParameter[Reference] = TaskParameter("Task that describes its test rows.")
    split_task: TaskParameter[Any] = TaskParameter("The SplitDataTask that outputs the test rows.")
    require_acc: ShareParameter = borrow(CheckAccuracyTask, "require_acc")
    require: RequirementsParameter = borrow(CheckAccuracyTask, "require")
    margin: ShareParameter = ShareParameter(
        default=0.01, description="Accuracy that the new model may lose, at the lower bound of the difference."
    )
    prefix: luigi.Parameter[str] = luigi.Parameter(default="champion", description="Prefix of all keys of champions.")

    def output(self) -> registry.S3ChampionPointer:
        """Return the pointer on S3."""
        champions = registry.Champions(self.bucket, make_folder(self.prefix), self.encryption())
        return registry.S3ChampionPointer(champions, self.make_unique_id())

    def run(self) -> None:
        """Decide, and put the pointer last; raise an AccuracyTooLowError if no model is good enough."""
        champions = self.output().champions
        pointer, etag = champions.read_pointer()
        document = champions.find_document(pointer["champion"]) if pointer else None
        required = f"accuracy>{self.require_acc}, {self.require}"
        failures = "; ".join(find_failures(self.load(self.metrics_task), required))
        if document is None:
            if failures:
                raise AccuracyTooLowError(f"{failures}: there is no champion, and this model becomes none")
            decision = f"{PROMOTED}: {'the champion was damaged' if pointer else 'there was no champion'}"
        else:
            decision = f"{KEPT}: the new model fails, {failures}" if failures else self._compare(champions, document)
        is_kept = decision.startswith(KEPT)
        logger.log(WARNING if is_kept else INFO, "the champion is %s", decision)
        champion = pointer["champion"] if pointer and is_kept else self._put_champion(champions)
        self.output().dump((registry.point_to(champion, pointer, self.make_unique_id(), decision), etag))

    def describe(self) -> Published:
        """Return the accuracy of the champion and the last decision."""
        pointer = self.output().load()
        document = self.output().champions.read_document(pointer["champion"])
        figures = Figures(accuracy=document["accuracy"], champion=pointer["decision"])
        return Published(figures, "champion kept") if pointer["decision"].startswith(KEPT) else Published(figures)

    def _compare(self, champions: registry.Champions, document: registry.ChampionDocument) -> str:
        """Return whether the new model becomes the champion, and why; another split is a ChampionError."""
        if change := find_change(document, cast("Any", self.split_task).data_task.lookups):
            return f"{PROMOTED}: the champion cannot predict any more, because {change} has changed"
        if document["task"] == self.model_task.make_unique_id():
            return f"{KEPT}: the new model is the same"
        if document["split"] != self._describe_split():
            raise ChampionError(
                f"the champion was trained on another split, {document['split']}, so it may know the test rows: "
                f"set SplitDataTask back, or delete {champions.path(champions.pointer_key)}"
            )
        test = cast("Any", self.input())["split_task"]["test"].load()
        champion = registry.S3ChampionFile(champions.bucket, document["model"], LightGBMModelProcessor()).load()
        new, old = self.load(self.pred_task), PredTask.predict(champion, test)
        compared = compare_models(find_right(new, test), find_right(old, test))
        if compared.low > -self.margin:
            return f"{PROMOTED}: the accuracy changes by {compared}"
        return f"{KEPT}: the accuracy would change by {compared}, and the margin is {self.margin}"

    def _describe_split(self) -> dict[str, Any]:
        parameters = {name: getattr(self.split_task, name) for name in ("split_by", "test_fraction", "random_state")}
        return {**parameters, "code": hash_code(define_task(SplitDataTask).modules[SplitDataTask.__module__])}

    def _put_champion(self, champions: registry.Champions) -> str:
        """Put the files of the new model and its document, and return the key of the document."""
        metrics, put = self.load(self.metrics_task), functools.partial(champions.put_file, self.make_unique_id())
        document = registry.ChampionDocument(
            model=put(registry.MODEL, self.load(self.model_task), LightGBMModelProcessor()),
            reference=put(registry.REFERENCE, self.load(self.reference_task), JsonProcessor()),
            task=self.model_task.make_unique_id(),
            accuracy=metrics["model"]["accuracy"],
            rows=metrics["rows"],
            split=self._describe_split(),
            preprocessing=hash_preprocessing(),
            lookups=LOOKUPS.serialize(cast("Any", self.split_task).data_task.lookups),
        )
        return put(registry.DOCUMENT, document, JsonProcessor())["key"]


def find_right(prediction: DataFrame[PredictionSchema], test: DataFrame[PreprocessedSchema]) -> Right:
    """Return whether the prediction of each test row is right; they are matched by id."""
    matched = match_by_id(prediction, test[PreprocessedSchema.id_column()])[PredictionSchema.target_column()]
    return np.asarray(matched.to_numpy() == test[PreprocessedSchema.target_column()].to_numpy())


def find_change(document: registry.ChampionDocument, lookups: Mapping[str, str]) -> str | None:
    """Return what has changed since a champion was trained and keeps it from predicting today's rows, if anything."""
    if document["preprocessing"] != hash_preprocessing():
        return "the preprocessing"
    return "a lookup" if document["lookups"] != LOOKUPS.serialize(lookups) else None


def hash_preprocessing() -> str:
    """Return a hash of the code that turns a row into what the model sees."""
    modules = define_task(PreprocessTask).modules | define_task(PredTask).modules
    return hash_code("\n".join(code for name, code in sorted(modules.items()) if ".pipeline." in name))


class Comparison(NamedTuple):
    """The difference of two accuracies: the new model's minus the old one's."""

    difference: float
    low: float  # of its 95% interval
    high: float
    p_value: float  # of the hypothesis that both are equally accurate

    def __str__(self) -> str:
        return f"{self.difference:+.4f} (95% interval {self.low:+.4f} to {self.high:+.4f}, p = {self.p_value:.2g})"


def compare_models(new: Right, old: Right) -> Comparison:
    """Compare two models, given whether each predicts each row rightly.

    The interval is that of the paired bootstrap (Efron, 1979): pairs of rows are drawn, and only how many of them one
    model alone predicts rightly matters, which is multinomial. The p-value is that of McNemar's exact test (Dietterich,
    Approximate statistical tests for comparing supervised classification learning algorithms, 1998).
    """
    from scipy.stats import binomtest

    gained, lost = int((new & ~old).sum()), int((old & ~new).sum())
    rows = len(new)
    shares = [gained / rows, lost / rows, 1 - (gained + lost) / rows]
    draws = np.random.default_rng(SEED).multinomial(rows, shares, DRAWS)
    low, high = np.quantile((draws[:, 0] - draws[:, 1]) / rows, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    p_value = float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0
    return Comparison((gained - lost) / rows, float(low), float(high), p_value)
