from __future__ import annotations

import json
import math
import os
import re
import signal
import warnings
from xml.etree import ElementTree

import pandas as pd
import pytest
from support.number import make_number_metrics

from gokart_pipeline_sample.pipeline.drift.shift import ColumnShift, compare_column, count_values, describe_column
from gokart_pipeline_sample.pipeline.quality.metrics import Importance, LearningCurve
from pipeline_runner.watch.report import charts
from pipeline_runner.watch.report.charts import SHOWN_FEATURES, ChartProcess, draw_chart

SERIES: dict[str, list[float | None]] = {
    "accuracy": [0.9, None, 0.95],
    "mae": [None, None, None],
    "estimated": [None, 0.92, 0.93],
    "real": [0.7, None, None],
    "rows": [30, 40, 50],
    "seconds": [1.5, 1.25, 3.0],
}
ONE_BIN = ("calibration", [[{"probability": 0.9, "accuracy": 0.8, "rows": 5}]])
TWO_RUNS = (
    "over_time",
    [
        {
            "mae": [None, None],
            "estimated": [None, None],
            "real": [None, None],
            "accuracy": [0.9, None],
            "rows": [1, 2],
            "seconds": [1, 1],
        }
    ],
)
NASTY = "<script>alert(1)</script>"
CURVE = LearningCurve(loss="multi_logloss", train=[1.0, 0.5, 0.4], valid=[1.1, 0.6, 0.7], model_rounds=2)


def make_importances(*names: str) -> list[Importance]:
    return [
        Importance(feature=name, gain=float(number), permutation=0.1 * number, permutation_std=0.01)
        for number, name in enumerate(names)
    ]


def make_shift(train: list[object], new: list[object]) -> ColumnShift:
    """Compare new rows with the training rows, as if these were the test rows; read from JSON as the report does."""
    kind = "category" if any(isinstance(value, str) for value in train) else None
    known = pd.Series(train, dtype="str" if kind else float).astype(kind or float)
    described = describe_column(known, known)
    counts = count_values(pd.Series(new, dtype="str" if kind else float).astype(kind or float), described)
    loaded: ColumnShift = json.loads(json.dumps(compare_column(described, counts.tolist(), 1)))
    return loaded


def find_texts(svg: str) -> dict[str, float]:
    """The height of each text of a chart."""
    root = ElementTree.fromstring(svg)  # noqa: S314 - it was just made
    return {text.text or "": float(text.get("y", 0)) for text in root.iter("{http://www.w3.org/2000/svg}text")}


NUMBERS = make_number_metrics()
CHARTS = {
    "learning curve": draw_chart("learning_curve", CURVE),
    "importances": draw_chart("importances", make_importances("width", "length")),
    "calibration": draw_chart("calibration", [{"probability": 0.8, "accuracy": 0.7, "rows": 12}]),
    "shift": draw_chart("shift", "width", make_shift([0.1, 0.25, 3.0], [0.2, 0.3, 7.0, math.nan])),
    "over time": draw_chart("over_time", SERIES),
    "points": draw_chart("points", NUMBERS["points"], NUMBERS["deciles"], NUMBERS["interval"], " in cm"),
}
LABELS = {
    "learning curve": ["round of training", "multi logloss", "training rows", "validation rows", "the model: 2 rounds"],
    "importances": ["width", "length", "accuracy lost", "if shuffled", "loss reduced", "in training"],
    "shift": ["from 0.1", "from 0.25", "from 3", "other", "missing", "test rows", "new rows", "share of the rows"],
    "points": [
        "prediction in cm",
        "truth in cm",
        "error in cm",
        "mae of tenths",
        "test row",
        "as it should be",
        "interval of 90 %",
    ],
    "over time": ["accuracy", "estimated", "real", "rows", "seconds", "run"],
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


class TestLegends:
    @pytest.mark.parametrize("classes", [2, 8])
    def test_cover_nothing(self, classes: int) -> None:
        points = [
            {"probability": 0.1 * place, "precision": 0.1 * place, "recall": 1.0, "f1": 0.5} for place in range(9)
        ]
        scores = {"rows": 5, "precision": 0.5, "recall": 0.5, "roc_auc": 0.5, "thresholds": points}
        svg = draw_chart("worst", [{**scores, "name": f"c{number}", "f1": 0.1} for number in range(classes)])
        heights = find_texts(svg)
        labels = [height for text, height in heights.items() if text.startswith("c")]
        assert len(labels) == classes
        assert max(labels) < heights["1.0"] - 5


class TestDrawImportances:
    def test_begins_with_the_first(self) -> None:
        svg = draw_chart("importances", make_importances("most", "middle", "least"))
        heights = find_texts(svg)
        assert heights["most"] < heights["middle"] < heights["least"]

    def test_leaves_out_the_last_of_many(self) -> None:
        names = [f"feature {number}" for number in range(SHOWN_FEATURES + 5)]
        shown = [
            word
            for word in find_texts(draw_chart("importances", make_importances(*names)))
            if word.startswith("feature")
        ]
        assert sorted(shown) == sorted(names[:SHOWN_FEATURES])

    def test_takes_names_as_they_are(self) -> None:
        names = ["<b>&", "$a$ _b_", 'say "hi"', r"a\d \1", "花びら"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            # The browser renders the text, in a font that has the glyphs that matplotlib's lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            svg = draw_chart("importances", make_importances(*names))
        assert set(names) <= find_texts(svg).keys()

    def test_shortens_names_that_are_long(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            svg = draw_chart("importances", make_importances("width" * 20, "width" * 21))
        assert "widthwidthwidthwi…" in find_texts(svg)


class TestDrawShift:
    def test_names_categories_as_they_are(self) -> None:
        names = ["<b>&", "$a$ _b_", 'say "hi"', "花びら", "width" * 20]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            svg = draw_chart("shift", NASTY, make_shift([*names, *names], ["<b>&", "new"]))
        assert {*names[:-1], "widthwidthwidthwi…", "other", "missing"} <= find_texts(svg).keys()
        assert NASTY not in svg

    def test_draws_two_bars_for_each_value(self) -> None:
        svg = draw_chart("shift", "width", make_shift(["a", "b"], ["a"]))
        for colour in ("first", "second"):
            # Two values, other and missing ones, and the legend.
            assert len(re.findall(rf"fill: var\(--{colour}\)", svg)) == 5

    @pytest.mark.parametrize("train", [[1.0], [math.nan], [0.0] * 20, [True, False], list(range(1000))])
    def test_draws_any_column(self, train: list[object]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            svg = draw_chart("shift", "width", make_shift(train, [math.nan]))
        assert {"other", "missing", "test rows", "new rows"} <= find_texts(svg).keys()
        assert "nan" not in svg


class TestDrawPoints:
    def test_says_once_what_is_drawn_twice(self) -> None:
        assert CHARTS["points"].count("as it should be") == 1

    @pytest.mark.parametrize(
        "points", [[[1.0, 1.0]], [[0.0, 0.5], [1.0, 0.5]], [[1e300, 2.0], [1.0, 2.0]], [[-5e6, 1e6], [3e6, 2e6]]]
    )
    def test_draws_any_rows(self, points: list[list[float]]) -> None:
        decile = {"prediction": 2.0, "truth": 1.0, "mae": 5e299, "rows": 2}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            svg = draw_chart("points", points, [decile], {}, "")
        assert {"prediction", "truth", "error", "test row"} <= find_texts(svg).keys()
        assert "nan" not in svg


class TestDrawOverTime:
    @pytest.mark.parametrize("runs", [2, 20])
    def test_draws_what_no_run_knows_as_nothing(self, runs: int) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            svg = draw_chart("over_time", dict.fromkeys(SERIES, [None] * runs))
        assert {"accuracy", "rows", "seconds", "run"} <= find_texts(svg).keys()
        assert not {"estimated", "real"} & find_texts(svg).keys()
        assert "nan" not in svg

    def test_gives_values_that_are_close_whole(self) -> None:
        unknown: list[float | None] = [None] * 3
        series = {**SERIES, "accuracy": unknown, "estimated": unknown, "real": unknown}
        svg = draw_chart("over_time", {**series, "mae": [0.194012, 0.194009, 0.194003]}, "mae in cm")
        assert [text for text in find_texts(svg) if text.startswith("0.1940")]

    def test_draws_a_dot_for_each_run(self) -> None:
        series = ({**SERIES, "rows": rows} for rows in ([1, 2, 3], [1, None, 3]))
        whole, gap = (len(re.findall("<use ", draw_chart("over_time", each))) for each in series)
        assert whole - gap == 1


class TestChartProcess:
    @pytest.mark.parametrize("keeps_files", [True, False])
    def test_draws_what_this_process_would(self, keeps_files: bool) -> None:
        listed = {"b": ONE_BIN, "a": TWO_RUNS}
        with ChartProcess(keeps_files=keeps_files) as process:
            process.start()
            drawn = process.draw(listed)
        assert drawn == {name: draw_chart(kind, *data) for name, (kind, data) in listed.items()}
        assert list(drawn) == ["b", "a"]

    def test_draws_nothing(self) -> None:
        with ChartProcess(keeps_files=True) as process:
            assert process.draw({}) == {}

    def test_tells_why_it_cannot_draw(self) -> None:
        with ChartProcess(keeps_files=True) as process, pytest.raises(RuntimeError, match="KeyError: 'pie'"):
            process.draw({"name": ("pie", [])})

    def test_tells_that_it_has_been_killed(self) -> None:
        with ChartProcess(keeps_files=True) as process:
            process.start()
            assert process._process is not None
            os.kill(process._process.pid, signal.SIGKILL)
            with pytest.raises(RuntimeError, match="ended with -9"):
                process.draw({"name": ONE_BIN})

    def test_needs_matplotlib(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(charts, "find_spec", lambda _: None)
        with ChartProcess(keeps_files=True) as process, pytest.raises(ImportError, match="matplotlib"):
            process.draw({})

    def test_is_no_process_after_the_run(self) -> None:
        with ChartProcess(keeps_files=True) as process:
            process.start()
            process.start()
            drawing = process._process
        assert drawing is not None
        assert drawing.returncode == -signal.SIGKILL
