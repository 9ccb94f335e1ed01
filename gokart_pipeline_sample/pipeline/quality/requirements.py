"""Requirements on the figures of ``metrics.json``: ``balanced_accuracy>0.8, recall[fraud]>0.5``."""

from __future__ import annotations

import math
import operator
import re
from typing import NamedTuple

import luigi

from gokart_pipeline_sample.pipeline.quality.metrics import ClassScores, Metrics, Scores
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

_OPERATORS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_SCORES = sorted(Scores.__annotations__)
_CLASS_SCORES = sorted(ClassScores.__annotations__.keys() - {"name", "thresholds"})
_INTERVAL = ["accuracy_interval.low", "accuracy_interval.high"]
_SYNTAX = re.compile(
    r"\s*(?P<figure>[a-z][a-z0-9_.]*)\s*(\[(?P<name>.*?)\])?\s*(?P<comparison>[<>]=?)\s*(?P<bound>"
    r"(?P<baseline>baseline)?\s*(?P<number>[+-]?\s*(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)?)\s*(,|$)"
)


class Requirement(NamedTuple):
    """A bound of a figure.

    Args:
        text: the requirement as it was written.
        figure: a name of ``Scores``, of ``ClassScores`` if there is a class, or of the accuracy's interval.
        class_name: the class, as text, or None for all.
        comparison: ">", ">=", "<" or "<=".
        of_baseline: whether the bound is that many above the baseline's figure.
        number: the bound.
    """

    text: str
    figure: str
    class_name: str | None
    comparison: str
    of_baseline: bool
    number: float

    def explain_failure(self, metrics: Metrics) -> str | None:
        """Return the figure and the requirement if the metrics do not meet it, else None."""
        bound, value = self.number, self._look_up(metrics)
        if self.of_baseline:
            baseline = metrics["baseline"][self.figure]  # type: ignore[literal-required]
            bound = math.nan if baseline is None else baseline + self.number
        if value is not None and _OPERATORS[self.comparison](value, bound):
            return None
        shown = "undefined" if value is None else f"{value:.4g}"
        return f"{self.text} is required and it is {shown}" + (f", not {bound:.4g}" if self.of_baseline else "")

    def _look_up(self, metrics: Metrics) -> float | None:
        value: float | None
        if self.class_name is not None:
            (scores,) = (each for each in metrics["classes"] if str(each["name"]) == self.class_name)
            value = scores[self.figure]  # type: ignore[literal-required]
        elif self.figure in _INTERVAL:
            value = metrics["accuracy_interval"][self.figure.partition(".")[2]]  # type: ignore[literal-required]
        else:
            value = metrics["model"][self.figure]  # type: ignore[literal-required]
        return value


def parse_requirements(text: str) -> list[Requirement]:
    """Parse requirements that are separated by commas.

    Raises:
        ValueError: one of them cannot be read, or names an unknown figure or class.
    """
    found, place = [], 0
    while text[place:].strip():
        match = _SYNTAX.match(text, place)
        if match is None or not match["bound"].strip():
            raise ValueError(
                f"the requirement {text[place:].strip()!r} cannot be read: write for instance "
                "balanced_accuracy>0.8, recall[1]>=0.5, log_loss<baseline-0.1"
            )
        requirement = Requirement(
            text=match.group().strip(" ,"),
            figure=match["figure"],
            class_name=match["name"],
            comparison=match["comparison"],
            of_baseline=match["baseline"] is not None,
            number=float(re.sub(r"\s", "", match["number"] or "0")),
        )
        _check_names(requirement)
        found.append(requirement)
        place = match.end()
    return found


def _check_names(requirement: Requirement) -> None:
    if requirement.class_name is not None:
        known, classes = _CLASS_SCORES, [str(each) for each in PreprocessedSchema.target_classes()]
        if requirement.class_name not in classes:
            raise ValueError(f"the requirement {requirement.text!r} needs one of the classes {', '.join(classes)}")
        if requirement.of_baseline:
            raise ValueError(f"the requirement {requirement.text!r}: the baseline has no figures of a single class")
    else:
        known = _SCORES if requirement.of_baseline else [*_SCORES, *_INTERVAL]
    if requirement.figure not in known:
        raise ValueError(f"the requirement {requirement.text!r} needs one of the figures {', '.join(known)}")


def explain_failures(metrics: Metrics | None, text: str) -> list[str]:
    """Explain each requirement that the metrics do not meet.

    Raises:
        ValueError: there are requirements but no metrics; also see :func:`parse_requirements`.
    """
    requirements = parse_requirements(text)
    if metrics is None and requirements:
        raise ValueError(f"the requirements {text!r} need the task that outputs the metrics: give metrics_task")
    explained = (requirement.explain_failure(metrics) for requirement in requirements if metrics is not None)
    return [failure for failure in explained if failure]


class RequirementsParameter(luigi.Parameter[str]):
    """Requirements as text, which is checked when it is read."""

    def parse(self, x: str) -> str:
        """Return the text.

        Raises:
            ValueError: see :func:`parse_requirements`.
        """
        parse_requirements(x)
        return x
