"""Check the accuracy, and requirements on the figures of ``metrics.json``: ``accuracy>0.8, recall[fraud]>0.5``."""

import math
import operator
import re
from collections.abc import Sequence
from logging import getLogger
from typing import Any

import luigi
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.errors import AccuracyTooLowError
from gokart_pipeline_sample.pipeline.make_output import MakeOutputTask
from gokart_pipeline_sample.pipeline.quality.metrics import ClassScores, Metrics, Scores
from gokart_pipeline_sample.pipeline.schemas.output import OutputSchema
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import OptionalTaskParameter, ShareParameter, TaskParameter
from gokart_pipeline_sample.utils.shown_task import ShownTask

logger = getLogger(__name__)

_COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SCORES, _INTERVAL = sorted(Scores.__annotations__), ["accuracy_interval.low", "accuracy_interval.high"]
_CLASS_SCORES = sorted(ClassScores.__annotations__.keys() - {"name", "thresholds"})
_SYNTAX = re.compile(
    r"(?P<figure>[a-z][a-z0-9_.]*)\s*(?P<of_class>\[(?P<name>.*?)\])?\s*(?P<comparison>[<>]=?)\s*(?=[^\s,])"
    r"(?P<baseline>baseline)?\s*(?P<number>[+-]?\s*(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)?\s*(,|$)"
)


def find_failures(metrics: Metrics | None, require: str) -> list[str]:
    """Return a sentence for each requirement that is not met; raise a ValueError if there are any but no metrics."""
    if not (requirements := parse_requirements(require)):
        return []
    if metrics is None:
        raise ValueError(f"the requirements {require!r} need the task that outputs the metrics: give metrics_task")
    figures: dict[str, Any] = {**metrics["model"]}
    figures |= {f"baseline {name}": value for name, value in metrics["baseline"].items()}
    figures |= {f"accuracy_interval.{name}": value for name, value in metrics["accuracy_interval"].items()}
    for scores in metrics["classes"]:
        figures |= {f"{name}[{scores['name']}]": value for name, value in scores.items()}
    # What is undefined meets no bound.
    figures = {name: math.nan if value is None else value for name, value in figures.items()}
    failures = []
    for match in requirements:
        value = figures[match["figure"] + (match["of_class"] or "")]
        limit = float("".join((match["number"] or "0").split()))
        if match["baseline"]:
            limit += figures[f"baseline {match['figure']}"]
        if not _COMPARISONS[match["comparison"]](value, limit):
            shown = "undefined" if math.isnan(value) else f"{value:.4g}"
            bound = f", not {limit:.4g}" if match["baseline"] else ""
            failures.append(f"{match.group().strip(' ,')} is required and it is {shown}{bound}")
    return failures


def parse_requirements(text: str) -> list[re.Match[str]]:
    """Return a match of each requirement; raise a ValueError if one is unreadable or names what does not exist."""
    found, rest = [], text.strip()
    while rest:
        if (match := _SYNTAX.match(rest)) is None:
            example = "balanced_accuracy>0.8, recall[1]>=0.5, log_loss<baseline-0.1"
            raise ValueError(f"the requirement {rest!r} cannot be read: write for instance {example}")
        rest = rest[match.end() :].strip()
        written, name = match.group().strip(" ,"), match["name"]
        classes = [str(each) for each in PreprocessedSchema.target_classes()]
        known = _CLASS_SCORES if name is not None else _SCORES if match["baseline"] else [*_SCORES, *_INTERVAL]
        if name is not None and name not in classes:
            raise ValueError(f"the requirement {written!r} needs one of the classes {', '.join(classes)}")
        if match["figure"] not in known:
            raise ValueError(f"the requirement {written!r} needs one of the figures {', '.join(known)}")
        if name is not None and match["baseline"]:
            raise ValueError(f"the requirement {written!r}: the baseline has no figures of a single class")
        found.append(match)
    return found


class RequirementsParameter(luigi.Parameter[str]):
    """Requirements as text, which is checked when it is read."""

    def parse(self, x: str) -> str:
        """Return the text; raise a ValueError as :func:`parse_requirements` does."""
        parse_requirements(x)
        return x


class CheckAccuracyTask(ShownTask[DataFrame[OutputSchema]]):
    """Outputs the predictions if they are accurate enough, with the accuracy in ``DataFrame.attrs``.

    It stores a copy: gokart does not run a task whose output exists, and only a successful check may complete it.
    """

    pred_task: TaskParameter[DataFrame[Any]] = TaskParameter("Outputs at least OutputSchema.")
    test_task: TaskParameter[DataFrame[PreprocessedSchema]] = TaskParameter("Outputs the predicted rows.")
    require_acc: ShareParameter = ShareParameter(
        default=0.9, description="Share of right predictions that the model must exceed."
    )
    require: RequirementsParameter = RequirementsParameter(
        default="", description="Further requirements, such as balanced_accuracy>0.8, recall[1]>=0.5."
    )
    metrics_task: OptionalTaskParameter = OptionalTaskParameter(
        description="Task that outputs the metrics that these requirements are about."
    )

    def run(self) -> None:
        """Check the predictions and save them."""
        metrics = self.load("metrics_task") if self.metrics_task else None
        failures = find_failures(metrics, self.require)
        prediction, test = self.load(self.pred_task), self.load(self.test_task)
        self.dump(self.check_accuracy(prediction, test, self.require_acc, failures))

    @staticmethod
    @pa.check_types(lazy=True)
    def check_accuracy(
        prediction: DataFrame[OutputSchema],
        test: DataFrame[PreprocessedSchema],
        require_acc: float,
        failures: Sequence[str] = (),
    ) -> DataFrame[OutputSchema]:
        """Return a copy of the predictions, with their accuracy in ``attrs["accuracy"]``, if it is high enough.

        Predictions are matched with the rows by id; ``failures`` are other requirements that are not met.

        Raises:
            AccuracyTooLowError: the accuracy does not exceed the required one, or there are failures.
            pandera.errors.SchemaErrors: a frame breaks its schema, or the target is missing.
            ValueError: the required accuracy is not between 0 and 1, or predictions and rows do not match.
        """
        from sklearn.metrics import accuracy_score

        if not 0 <= require_acc <= 1:
            raise ValueError(f"require_acc is {require_acc}: give a number from 0 to 1")
        PreprocessedSchema.require_target(test)
        matched = MakeOutputTask.make_output(prediction, test)
        truth, predicted = test[PreprocessedSchema.target_column()], matched[OutputSchema.target_column()]
        accuracy = float(accuracy_score(truth, predicted))
        if not accuracy > require_acc:
            failures = [f"the accuracy {accuracy} does not exceed the required {require_acc}", *failures]
        if failures:
            raise AccuracyTooLowError(f"{'; '.join(failures)}: nothing is published")
        logger.info("the accuracy %s exceeds the required %s", accuracy, require_acc)
        checked = prediction.copy()
        checked.attrs["accuracy"] = accuracy
        return checked
