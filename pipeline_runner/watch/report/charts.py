"""Charts as SVG, which inherit colours and font from the page."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import sys
import tempfile
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # Not when this is run as a script, which has to be ready soon.
    from matplotlib.figure import Figure

    from gokart_pipeline_sample.pipeline.drift.shift import ColumnShift
    from gokart_pipeline_sample.pipeline.quality.metrics import CalibrationBin, ClassScores, Importance, LearningCurve

# The kind of a chart, and its data.
Chart = tuple[str, list[Any]]

NO_FILES = "--no-files"
# A folder in memory.
MEMORY = "/dev/shm"  # noqa: S108

SHOWN_FEATURES = 15
SHOWN_CURVES = 8
LONGEST_LABEL = 18
# Inches: the width of a phone at 72 dpi, so that text keeps its size there.
WIDTH, HEIGHT = 4.6, 3.0
# matplotlib does not support CSS variables: these colours are placeholders that the SVG replaces with them.
INK, MUTED, LINE, CARD, FIRST, SECOND = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
VARIABLES = {INK: "ink", MUTED: "muted", LINE: "line", CARD: "card", FIRST: "first", SECOND: "second"}
STYLE = {
    "axes.edgecolor": LINE,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "font.size": 11.5,
    "legend.edgecolor": CARD,
    "legend.facecolor": CARD,
    "legend.framealpha": 1,
    "svg.fonttype": "none",
    "svg.hashsalt": "chart",
    "text.color": INK,
    "text.parse_math": False,
    "xtick.color": LINE,
    "xtick.labelcolor": MUTED,
    "ytick.color": LINE,
    "ytick.labelcolor": MUTED,
}


def draw_charts(charts: dict[str, Chart]) -> dict[str, str]:
    """Draw charts; return each as SVG under the same name.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    return {name: _KINDS[kind](*data) for name, (kind, data) in charts.items()}


def draw_learning_curve(curve: LearningCurve) -> str:
    """Draw the loss on the training and the validation rows after each round, and the rounds that the model keeps."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        rounds = range(1, len(curve["train"]) + 1)
        axes.plot(rounds, curve["train"], color=FIRST, label="training rows")
        axes.plot(rounds, curve["valid"], color=SECOND, label="validation rows")
        axes.axvline(
            curve["model_rounds"], color=MUTED, linestyle=":", label=f"the model: {curve['model_rounds']} rounds"
        )
        axes.set(xlabel="round of training", ylabel=curve["loss"].replace("_", " "))
        axes.legend()

    return _draw(f"Loss by round; the model keeps {curve['model_rounds']} rounds.", draw)


def draw_importances(importances: list[Importance]) -> str:
    """Draw the importance of each feature, the most important first."""
    shown = sort_importances(importances)[:SHOWN_FEATURES]
    names = [feature["feature"] for feature in shown]
    rows = range(len(shown))

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2, sharey=True)
        losses = [feature["permutation"] or 0.0 for feature in shown]
        deviations = [feature["permutation_std"] or 0.0 for feature in shown]
        left.barh(rows, losses, xerr=deviations, color=FIRST, ecolor=MUTED)
        left.set_yticks(rows, [shorten(name) for name in names])
        left.invert_yaxis()
        left.set_xlabel("accuracy lost\nif shuffled")
        right.barh(rows, [feature["gain"] for feature in shown], color=SECOND)
        right.set_xlabel("loss reduced\nin training")
        right.tick_params(left=False)
        for axes in (left, right):
            axes.locator_params(axis="x", nbins=3)

    return _draw(f"Features by importance: {', '.join(names)}.", draw, height=max(HEIGHT, 0.3 * len(names) + 1))


def sort_importances(importances: list[Importance]) -> list[Importance]:
    """Sort the features, the most important first."""
    return sorted(importances, key=lambda feature: (-(feature["permutation"] or 0.0), -feature["gain"]))


def shorten(text: str) -> str:
    """Shorten a text to fit the available space."""
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def draw_precision_recall(classes: list[ClassScores]) -> str:
    """Draw the precision-recall curve of each class that has rows; of the rarest ones if there are many."""
    shown = sorted((each for each in classes if each["thresholds"]), key=lambda each: each["rows"])[:SHOWN_CURVES]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for each in shown:
            recalls, precisions = ([point[score] for point in each["thresholds"]] for score in ("recall", "precision"))
            axes.plot([*recalls, 0], [*precisions, 1], label=shorten(str(each["name"])))
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
        axes.legend(loc="lower left")

    names = ", ".join(str(each["name"]) for each in shown)
    return _draw(f"Precision by recall, for the classes {names}.", draw)


def draw_calibration(bins: list[CalibrationBin]) -> str:
    """Draw the share of correct predictions, and the number of predictions, by predicted probability."""
    probabilities = [each["probability"] for each in bins]

    def draw(figure: Figure) -> None:
        curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        curve.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="as it should be")
        curve.plot(probabilities, [each["accuracy"] for each in bins], color=FIRST, marker="o", label="the model")
        curve.set(ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.05))
        curve.legend(loc="upper left")
        counts.bar(probabilities, [each["rows"] for each in bins], width=0.03, color=FIRST)
        counts.set(xlabel="probability of the predicted class", ylabel="rows")
        counts.locator_params(axis="y", nbins=3, integer=True)

    return _draw(
        "Share of right predictions, and number of rows, by the probability of the predicted class.", draw, 3.6
    )


def draw_shift(name: str, column: ColumnShift) -> str:
    """Draw the share of each value, or range of values, of a column among the test rows and the new rows."""
    reference, starts = column["reference"], column["reference"]["starts"]
    prefix = "from " if reference["is_ordered"] else ""
    labels = [
        *(f"{prefix}{start:.4g}" if isinstance(start, float) else str(start) for start in starts),
        "other",
        "missing",
    ]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for counts, place, color, label in (
            (reference["counts"], -0.2, FIRST, "test rows"),
            (column["counts"], 0.2, SECOND, "new rows"),
        ):
            heights = [count / (sum(counts) or 1) for count in counts]
            axes.bar([bar + place for bar in range(len(labels))], heights, 0.4, color=color, label=label)
        axes.set_xticks(range(len(labels)), [shorten(label) for label in labels], rotation=90, fontsize=9)
        axes.set_ylabel("share of the rows")
        axes.legend()

    return _draw(f"Shares of the values of {name} among test rows and new rows.", draw, HEIGHT + 0.6)


def draw_over_time(series: dict[str, list[float | None]]) -> str:
    """Draw the figures of the last runs, the newest on the right."""
    nan = float("nan")
    drawn = {name: [nan if value is None else value for value in values] for name, values in series.items()}
    accuracies, others = ("accuracy", "estimated"), ("rows", "seconds")

    def draw(figure: Figure) -> None:
        top, *rest = figure.subplots(3, 1, sharex=True)
        for name, color in zip(accuracies, (FIRST, SECOND), strict=True):
            top.plot(drawn[name], color=color, marker=".", label=name)
        top.legend()
        for axes, name in zip(rest, others, strict=True):
            axes.plot(drawn[name], color=FIRST, marker=".")
            axes.set_ylabel(name)
        axes.set_xticks([])
        axes.set_xlabel("run")

    return _draw("Accuracy, estimated accuracy, rows and seconds of the last runs.", draw, 4.5)


def _draw(description: str, draw: Callable[[Figure], None], height: float = HEIGHT) -> str:
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    with rc_context(STYLE), warnings.catch_warnings():  # type: ignore[arg-type]
        # The browser renders the text, in a font that has the glyphs that matplotlib's lacks.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        # At the resolution of SVG. With the layout as a setting of the figure, everything would be drawn twice.
        figure = Figure(figsize=(WIDTH, height), dpi=72)
        FigureCanvasSVG(figure)
        draw(figure)
        ConstrainedLayoutEngine().execute(figure)
        return _save(figure, description)


def _save(figure: Figure, description: str) -> str:
    from markupsafe import escape

    file = io.StringIO()
    figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    _, _, svg = file.getvalue().partition("<svg")
    attributes = f'class="chart" role="img" aria-label="{escape(description)}"'
    svg = re.sub('width="[^"]*" height="[^"]*"', lambda _: attributes, svg, count=1)
    return "<svg" + re.sub("|".join(VARIABLES), lambda found: f"var(--{VARIABLES[found[0]]})", svg)


# The functions that draw, by kind of chart.
_KINDS: dict[str, Callable[..., str]] = {
    "learning_curve": draw_learning_curve,
    "importances": draw_importances,
    "precision_recall": draw_precision_recall,
    "calibration": draw_calibration,
    "shift": draw_shift,
    "over_time": draw_over_time,
}


def main() -> None:
    """Draw the charts that JSON on stdin lists, as JSON on stdout; :class:`ChartProcess` runs this as a script."""
    with contextlib.ExitStack() as stack:
        if sys.argv[1:] == [NO_FILES]:
            # matplotlib keeps its list of fonts in memory, and only until it has read it.
            os.environ["MPLCONFIGDIR"] = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY))
        # matplotlib is imported, and fonts are read.
        draw_calibration([])
    json.dump(draw_charts(json.load(sys.stdin)), sys.stdout)
    sys.stdout.flush()
    # Without taking matplotlib down, which takes 0.2 s.
    os._exit(0)


if __name__ == "__main__":
    main()
