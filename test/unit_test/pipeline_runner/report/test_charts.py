from __future__ import annotations

import re
import warnings
from xml.etree import ElementTree

import pytest

from gokart_pipeline_sample.pipeline.schemas.metrics import CalibrationBin, Importance, LearningCurve
from pipeline_runner.report.charts import (
    SHOWN_FEATURES,
    draw_calibration,
    draw_importances,
    draw_learning_curve,
)

CURVE = LearningCurve(loss="multi_logloss", train=[1.0, 0.5, 0.4], valid=[1.1, 0.6, 0.7], model_rounds=2)


def make_importances(*names: str) -> list[Importance]:
    return [
        Importance(feature=name, gain=float(number), permutation=0.1 * number, permutation_std=0.01)
        for number, name in enumerate(names)
    ]


def find_texts(svg: str) -> dict[str, float]:
    """The height of each text of a chart."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - it was just made
    return {text.text or "": float(text.get("y", 0)) for text in root.iter("{http://www.w3.org/2000/svg}text")}


CHARTS = {
    "learning curve": draw_learning_curve(CURVE),
    "importances": draw_importances(make_importances("width", "length")),
    "calibration": draw_calibration([CalibrationBin(probability=0.8, accuracy=0.7, rows=12)]),
}
LABELS = {
    "learning curve": ["round of training", "multi logloss", "training rows", "validation rows", "the model: 2 rounds"],
    "importances": ["width", "length", "accuracy lost", "if shuffled", "loss reduced", "in training"],
    "calibration": ["probability of the predicted class", "share that is right", "as it should be", "rows"],
}
COLOURS = {"none", *(f"var(--{name})" for name in ("ink", "muted", "line", "card", "first", "second"))}


@pytest.mark.parametrize("name", CHARTS)
class TestCharts:
    def test_label_all_that_they_show(self, name: str) -> None:
        assert set(LABELS[name]) <= find_texts(CHARTS[name]).keys()

    def test_take_their_colours_from_the_page(self, name: str) -> None:
        found = set(re.findall(r"(?:fill|stroke): ?([^;\"]+)", CHARTS[name]))
        assert {"var(--muted)", "var(--first)"} <= found <= COLOURS

    def test_are_described_to_who_does_not_see_them(self, name: str) -> None:
        assert re.match(r'<svg [^>]*class="chart" role="img" aria-label="[A-Z][^"]*\."', CHARTS[name])

    def test_hold_nothing_of_when_they_were_drawn(self, name: str) -> None:
        assert "<dc:date>" not in CHARTS[name]


class TestDrawImportances:
    def test_begins_with_the_most_important(self) -> None:
        svg = draw_importances(make_importances("least", "middle", "most"))
        heights = find_texts(svg)
        assert heights["most"] < heights["middle"] < heights["least"]

    def test_leaves_out_what_matters_least_of_many(self) -> None:
        names = [f"feature {number}" for number in range(SHOWN_FEATURES + 5)]
        shown = [word for word in find_texts(draw_importances(make_importances(*names))) if word.startswith("feature")]
        assert sorted(shown) == sorted(names[5:])

    def test_takes_names_as_they_are(self) -> None:
        names = ["<b>&", "$a$ _b_", 'say "hi"', r"a\d \1", "花びら"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            svg = draw_importances(make_importances(*names))
        assert set(names) <= find_texts(svg).keys()

    def test_shortens_names_that_are_long(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            svg = draw_importances(make_importances("width" * 20, "width" * 21))
        assert "widthwidthwidthwi…" in find_texts(svg)
