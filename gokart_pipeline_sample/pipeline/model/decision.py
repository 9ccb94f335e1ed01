"""Decide for a class otherwise than by the highest probability: ``fraud>=0.2``, ``fraud:recall>=0.9``, ``fraud:f1``."""

import re
from typing import Any

import luigi
import numpy as np
import numpy.typing as npt

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

ARGMAX = "argmax"
CONFIDENCE = 0.95
_SYNTAX = re.compile(
    r"(?P<name>.+?)\s*(:\s*(?P<figure>recall|precision)\s*>=|:\s*(?P<f1>f1)$|>=)\s*(?P<least>\d+\.?\d*|\.\d+)?"
)


class DecisionParameter(luigi.Parameter[str]):
    """How the class of a row is decided from the probabilities of all classes."""

    def normalize(self, x: str) -> str:
        """Return the text; raise a SettingError if it cannot be read, or names no class."""
        if x != ARGMAX:
            parse_decision(x)
        return x


def parse_decision(text: str) -> tuple[int, str, float]:
    """Return the number of the class, the figure that chooses its threshold, if any does, and the least value.

    Raise a SettingError if the text cannot be read, names no class, or if the value is no share.
    """
    names = [str(each) for each in PreprocessedSchema.target_classes()]
    found = _SYNTAX.fullmatch(text.strip())
    if found is None or bool(found["f1"]) == bool(found["least"]):
        example = f"{ARGMAX}, CLASS>=0.2, CLASS:recall>=0.9, CLASS:precision>=0.8 or CLASS:f1"
        raise SettingError(f"the decision {text!r} cannot be read: give {example}")
    if found["name"] not in names:
        raise SettingError(f"the decision {text!r} needs one of the classes {', '.join(names) or '(there are none)'}")
    if not 0 < (least := float(found["least"] or 1)) <= 1:
        raise SettingError(f"the decision {text!r} needs a number above 0, and at most 1")
    return names.index(found["name"]), found["figure"] or found["f1"] or "", least


def choose_threshold(text: str, truth: npt.NDArray[Any], probabilities: npt.NDArray[Any]) -> dict[str, Any]:
    """Return a decision: its text, class and threshold, and the precision and recall that chose it, if they did.

    The rows are the validation rows. A recall takes the highest threshold that has it on new rows, too, with a
    confidence of 0.95: the lower bound of its exact interval (Clopper and Pearson, Biometrika 26, 1934) reaches it. A
    precision takes the lowest, and f1 the one where it is highest. Raise a ValueError if none does.
    """
    from scipy.stats import beta

    label, figure, least = parse_decision(text)
    decision = {"text": text, "class": PreprocessedSchema.target_classes()[label], "threshold": least}
    if not figure:
        return decision
    if not (rows := int((truth == label).sum())):
        raise ValueError(f"the decision {text!r} needs validation rows of the class {decision['class']}: there is none")
    values = probabilities[:, label]
    thresholds = np.unique(values)
    found, right = (len(each) - np.searchsorted(np.sort(each), thresholds) for each in (values, values[truth == label]))
    if figure == "f1":
        place = int((right / (found + rows)).argmax())
    else:
        wholes = rows if figure == "recall" else found
        bounds = np.nan_to_num(beta.ppf(1 - CONFIDENCE, right, wholes - right + 1))
        if (best := bounds.max()) < least:
            problem = f"the validation rows promise a {figure} of {best:.4f}, at most, with {CONFIDENCE:.0%} confidence"
            raise ValueError(f"the decision {text!r} cannot be met: {problem}; lower it, or add rows of this class")
        place = np.flatnonzero(bounds >= least)[-1 if figure == "recall" else 0]
    shown = {"precision": float(right[place] / found[place]), "recall": float(right[place] / rows)}
    return {**decision, "threshold": float(thresholds[place]), **shown}


def decide(probabilities: npt.NDArray[Any], decision: dict[str, Any]) -> npt.NDArray[Any]:
    """Return the number of the class of each row (of a matrix by row and class), by a decision if there is one.

    That of the decision from its threshold on; else the most probable other class.
    """
    if not decision:
        return np.asarray(probabilities.argmax(axis=1))
    label = PreprocessedSchema.target_classes().index(decision["class"])
    others = probabilities.copy()
    others[:, label] = -1
    return np.where(probabilities[:, label] >= decision["threshold"], label, others.argmax(axis=1))
