"""Compare a new model with the champion, and choose one of them."""

import functools
from logging import INFO, WARNING, getLogger
from typing import Any, cast

import luigi
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import AccuracyTooLowError, ChampionError
from gokart_pipeline_sample.io.file_formats import JsonProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.manifest import make_folder
from gokart_pipeline_sample.pipeline.champion import registry
from gokart_pipeline_sample.pipeline.champion.comparison import LOSSES, FigureParameter, compare_models, list_values
from gokart_pipeline_sample.pipeline.check import CheckAccuracyTask
from gokart_pipeline_sample.pipeline.drift.make_reference import Reference
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import LOOKUPS, PreprocessTask
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.quality.requirements import RequirementsParameter, join_requirements, judge
from gokart_pipeline_sample.pipeline.quality.scores import average_groups
from gokart_pipeline_sample.pipeline.schemas.output import PredictionSchema, match_by_id
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.utils.parameters import ShareParameter, TaskParameter, borrow
from gokart_pipeline_sample.utils.shown_task import Figures, Published, PublisherTask, S3DestinationTask
from gokart_pipeline_sample.utils.task_definition import define_task, hash_code

logger = getLogger(__name__)

PROMOTED, KEPT = "promoted", "kept"  # the beginning of a decision


class ChooseChampionTask(PublisherTask[registry.Pointer], S3DestinationTask[registry.Pointer]):
    """Points ``<prefix>/champion.json`` to the new model, or leaves it pointing to the champion; notes why."""

    model_task: TaskParameter[Booster] = TaskParameter("Outputs the new model.")
    pred_task: TaskParameter[DataFrame[PredictionSchema]] = TaskParameter("Outputs its predictions.")
    metrics_task: TaskParameter[Metrics] = TaskParameter("Outputs its metrics.")
    reference_task: TaskParameter[Reference] = TaskParameter("Task that describes its test rows.")
    split_task: TaskParameter[Any] = TaskParameter("The SplitDataTask that outputs the test rows.")
    require_acc: ShareParameter = borrow(CheckAccuracyTask, "require_acc")
    require: RequirementsParameter = borrow(CheckAccuracyTask, "require")
    require_better: luigi.BoolParameter = borrow(CheckAccuracyTask, "require_better")
    compare: FigureParameter = FigureParameter(QUALITY.figure, description="Figure to compare by, such as recall[1].")
    margin: ShareParameter = ShareParameter(default=0.01, description="What the new model may lose of that figure.")
    prefix: luigi.Parameter[str] = luigi.Parameter(default="champion", description="Prefix of all keys of champions.")

    def output(self) -> registry.S3ChampionPointer:
        """Return the pointer on S3."""
        champions = registry.Champions(self.bucket, make_folder(self.prefix), self.encryption())
        return registry.S3ChampionPointer(champions, self.make_unique_id())

    def run(self) -> None:
        """Decide, and put the pointer last; raise an AccuracyTooLowError if no model is good enough."""
        champions = self.output().champions
        pointer, etag = champions.read_pointer()
        decision = self._decide(champions, pointer)
        is_kept = decision.startswith(KEPT)
        logger.log(WARNING if is_kept else INFO, "the champion is %s", decision)
        champion = pointer["champion"] if pointer and is_kept else self._put_champion(champions)
        self.output().dump((registry.point_to(champion, pointer, self.make_unique_id(), decision), etag))

    def describe(self) -> Published:
        """Return the accuracy of the champion and the last decision."""
        pointer = self.output().load()
        document = self.output().champions.read_document(pointer["champion"])
        figures = Figures(accuracy=document.get("accuracy"), mae=document.get("mae"), champion=pointer["decision"])
        return Published(figures, "champion kept") if pointer["decision"].startswith(KEPT) else Published(figures)

    def _decide(self, champions: registry.Champions, pointer: registry.Pointer | None) -> str:
        """Return whether the new model becomes the champion, and why."""
        document = champions.find_document(pointer["champion"]) if pointer else None
        failures = self._find_failures(self.load(self.metrics_task))
        if document is None:
            unfit = "the champion was damaged" if pointer else "there was no champion"
        elif change := find_change(document, cast("Any", self.split_task).data_task.lookups):
            unfit = f"the champion cannot predict any more, because {change} has changed"
        elif document["split"] != self._describe_split():
            problem = f"the champion was trained on another split, {document['split']}, so it may know the test rows"
            raise ChampionError(f"{problem}: set SplitDataTask back, or delete {champions.path(champions.pointer_key)}")
        else:
            champion = registry.S3ChampionFile(champions.bucket, document["model"], LightGBMModelProcessor()).load()
            train, test = (cast("Any", self.input())["split_task"][name].load() for name in ("train", "test"))
            old, shuffling = PredTask.predict(champion, test), {"permutation_repeats": 0, "random_state": 0}
            found = self._find_failures(EvaluateTask.evaluate(champion, old, train, test, **shuffling))
            unfit = f"the champion fails today's gate, {found}" if found else ""
            if not failures and not unfit:
                return self._compare(document, test, old)
        if failures and unfit:
            raise AccuracyTooLowError(f"the new model fails, {failures}; {unfit}: nothing is put")
        return f"{PROMOTED}: {unfit}" if unfit else f"{KEPT}: the new model fails, {failures}"

    def _find_failures(self, metrics: Metrics) -> str:
        return "; ".join(judge(metrics, join_requirements(self.require_acc, self.require), self.require_better))

    def _compare(self, document: registry.ChampionDocument, test: Any, old: DataFrame[PredictionSchema]) -> str:
        """Return whether the new model is not worse than the champion, which predicts ``old``."""
        if document["task"] == self.model_task.make_unique_id():
            return f"{KEPT}: the new model is the same"
        new = match_by_id(self.load(self.pred_task), test[PreprocessedSchema.id_column()])
        groups = test.get(PreprocessedSchema.group_column())
        values = [average_groups(list_values(self.compare, test, matched), groups) for matched in (new, old)]
        # A share of the champion's error, for a number.
        compared, margin = compare_models(*values), self.margin * (values[1].mean() if self.compare == "mae" else 1)
        if (-compared.high if self.compare in LOSSES else compared.low) > -margin:
            return f"{PROMOTED}: the {self.compare} changes by {compared}"
        return f"{KEPT}: the {self.compare} would change by {compared}, and the margin is {margin:.4g}"

    def _describe_split(self) -> dict[str, Any]:
        parameters = {name: getattr(self.split_task, name) for name in ("split_by", "test_fraction", "random_state")}
        return {**parameters, "code": hash_code(define_task(SplitDataTask).modules[SplitDataTask.__module__])}

    def _put_champion(self, champions: registry.Champions) -> str:
        """Put the files of the new model and its document, and return the key of the document."""
        metrics, put = self.load(self.metrics_task), functools.partial(champions.put_file, self.make_unique_id())
        document = dict(
            model=put(registry.MODEL, self.load(self.model_task), LightGBMModelProcessor()),
            reference=put(registry.REFERENCE, self.load(self.reference_task), JsonProcessor()),
            task=self.model_task.make_unique_id(),
            rows=metrics["rows"],
            split=self._describe_split(),
            preprocessing=hash_preprocessing(),
            lookups=LOOKUPS.serialize(cast("Any", self.split_task).data_task.lookups),
            **{QUALITY.figure: dict(metrics["model"])[QUALITY.figure]},
        )
        return put(registry.DOCUMENT, document, JsonProcessor())["key"]


def find_change(document: registry.ChampionDocument, lookups: Any) -> str | None:
    """Return what has changed since a champion was trained and keeps it from predicting today's rows, if anything."""
    if document["preprocessing"] != hash_preprocessing():
        return "the preprocessing"
    # A document of an earlier version knows of none.
    return "a lookup" if document.get("lookups", "{}") != LOOKUPS.serialize(lookups) else None


def hash_preprocessing() -> str:
    """Return a hash of the code that turns a row into what the model sees."""
    modules = define_task(PreprocessTask).modules | define_task(PredTask).modules
    return hash_code("\n".join(code for name, code in sorted(modules.items()) if ".pipeline." in name))
