"""Requirements on the figures of ``metrics.json``: ``balanced_accuracy>0.8, recall[fraud]>0.5, mae<0.7*baseline``."""

import math
import operator
import re
from collections.abc import Mapping, Sequence
from typing import Any

import luigi

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.quality.metrics import ClassScores, Metrics
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import ShareParameter

_COMPARISONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SCORES, _INTERVAL = sorted(QUALITY.scores.__annotations__), f"{QUALITY.figure}_interval"
_OTHERS = [f"{_INTERVAL}.low", f"{_INTERVAL}.high", *["coverage"] * PreprocessedSchema.predicts_number()]
_CLASS_SCORES = sorted(ClassScores.__annotations__.keys() - {"name", "thresholds"})
_SYNTAX = re.compile(
    r"(?P<figure>[a-z][a-z0-9_.]*)\s*(?P<of_class>\[(?P<name>.*?)\])?\s*(?P<comparison>[<>]=?)\s*(?=[^\s,])"
    r"((?P<factor>\d+\.?\d*|\.\d+)\s*\*\s*(?=baseline))?(?P<baseline>baseline)?\s*"
    r"(?P<number>[+-]?\s*(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)?\s*(,|$)"
)


def list_figures(metrics: Metrics) -> dict[str, float]:
    """Return all figures by the names that requirements give them; an undefined one is NaN, which meets no bound."""
    document: dict[str, Any] = {**metrics}
    figures = [*document["model"].items(), ("coverage", document.get("coverage"))]
    figures += [(f"baseline {name}", value) for name, value in document["baseline"].items()]
    figures += [(f"{_INTERVAL}.{name}", value) for name, value in document[_INTERVAL].items()]
    for scores in document.get("classes", []):
        figures += [(f"{name}[{scores['name']}]", scores.get(name)) for name in _CLASS_SCORES]
    return {name: math.nan if value is None else float(value) for name, value in figures}


def find_failures(
    figures: Mapping[str, float], require: str, bounds: Mapping[str, Sequence[float]] | None = None
) -> list[str]:
    """Return a sentence for each requirement that a known figure does not meet, nor the better one of its bounds."""
    failures = []
    for match in parse_requirements(require):
        name, baseline = match["figure"] + (match["of_class"] or ""), f"baseline {match['figure']}"
        if name not in figures or (match["baseline"] and baseline not in figures):
            continue
        value, limit = figures[name], float("".join((match["number"] or "0").split()))
        limit += float(match["factor"] or 1) * figures[baseline] if match["baseline"] else 0
        best = (bounds or {}).get(name, (value, value))[">" in match["comparison"]]
        if not _COMPARISONS[match["comparison"]](best, limit):
            shown = "undefined" if math.isnan(value) else f"{value:.4g}"
            bound = f", not {limit:.4g}" if match["baseline"] else ""
            failures.append(f"{match.group().strip(' ,')} is required and it is {shown}{bound}")
    return failures


def judge(metrics: Metrics, require: str, require_better: bool) -> list[str]:
    """Return a sentence for each requirement that is not met, and one if the model has to beat a constant in vain."""
    others = QUALITY.find_baseline_failures(metrics) if require_better else []
    return [*find_failures(list_figures(metrics), require), *others]


def join_requirements(require_acc: float | None, require: str) -> str:
    """Return all requirements as text."""
    return require if require_acc is None else f"accuracy>{require_acc}, {require}"


def parse_requirements(text: str) -> list[re.Match[str]]:
    """Return a match of each requirement; raise a SettingError if one is unreadable or names what does not exist."""
    found, rest = [], text.strip()
    while rest:
        if (match := _SYNTAX.match(rest)) is None:
            example = "balanced_accuracy>0.8, recall[1]>=0.5, log_loss<baseline-0.1, or mae<0.7*baseline for a number"
            raise SettingError(f"the requirement {rest!r} cannot be read: write for instance {example}")
        rest = rest[match.end() :].strip()
        written, name = match.group().strip(" ,"), match["name"]
        classes = [str(each) for each in PreprocessedSchema.target_classes()]
        known = _CLASS_SCORES if name is not None else _SCORES if match["baseline"] else [*_SCORES, *_OTHERS]
        if name is not None and name not in classes:
            raise SettingError(f"the requirement {written!r} needs one of the classes {', '.join(classes) or '(none)'}")
        if match["figure"] not in known:
            raise SettingError(f"the requirement {written!r} needs one of the figures {', '.join(known)}")
        if name is not None and match["baseline"]:
            raise SettingError(f"the requirement {written!r}: the baseline has no figures of a single class")
        found.append(match)
    return found


class RequirementsParameter(luigi.Parameter[str]):
    """Requirements as text, which is checked when it is read."""

    def normalize(self, x: str) -> str:
        """Return the text; raise a SettingError as :func:`parse_requirements` does."""
        parse_requirements(x)
        return x


class AccuracyParameter(ShareParameter):
    """The accuracy to exceed; there is none for a target that is a number."""

    def normalize(self, x: float | None) -> float | None:
        """Return the accuracy; raise a SettingError if the target is a number."""
        if x is not None and PreprocessedSchema.predicts_number():
            problem = "require_acc is about classes, and the target is a number"
            raise SettingError(f"{problem}: set require={QUALITY.require}")
        return x
