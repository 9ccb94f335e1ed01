"""Charts as SVG, which inherit colours and font from the page, and a process that draws them."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    # Not when this is run as a script, which has to be ready soon.
    from matplotlib.figure import Figure

    from gokart_pipeline_sample.pipeline.drift.shift import ColumnShift
    from gokart_pipeline_sample.pipeline.quality import metrics

Chart = tuple[str, list[Any]]  # its kind, and its data

NO_FILES = "--no-files"
SHOWN_FEATURES, SHOWN_CURVES, LONGEST_LABEL = 15, 8, 18
# matplotlib does not support CSS variables: these colours, and others of the style, are placeholders for the SVG.
INK, MUTED, FIRST, SECOND = "#010101", "#020202", "#050505", "#060606"
VARIABLES = {INK: "ink", MUTED: "muted", "#030303": "line", "#040404": "card", FIRST: "first", SECOND: "second"}


class ChartProcess(contextlib.ExitStack):
    """A process that imports matplotlib, which takes a second, while the tasks of a run use another core.

    It ends with the context, or with this process; only if it ``keeps_files``, matplotlib keeps a list of fonts.
    """

    def __init__(self, *, keeps_files: bool) -> None:
        super().__init__()
        self._command = [sys.executable, "-P", __file__, *([] if keeps_files else [NO_FILES])]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process unless it has been started."""
        if self._process is None and find_spec("matplotlib"):
            pipe = subprocess.PIPE
            self._process = self.enter_context(subprocess.Popen(self._command, stdin=pipe, stdout=pipe, stderr=pipe))
            self.callback(self._process.kill)

    def draw(self, listed: dict[str, Chart]) -> dict[str, str]:
        """Draw charts once, as SVG by name; an ImportError means no extra ``report``, a RuntimeError that one fails."""
        self.start()
        if self._process is None:
            raise ImportError("No module named 'matplotlib'")
        output, errors = self._process.communicate(json.dumps(listed).encode())
        if self._process.returncode:
            last_line = errors.decode().strip().rpartition("\n")[2]
            raise RuntimeError(last_line or f"the process that draws charts ended with {self._process.returncode}")
        return cast("dict[str, str]", json.loads(output))


def main() -> None:
    """Draw the charts that JSON on stdin lists, as JSON on stdout: the script of :class:`ChartProcess`."""
    gc.disable()  # A process of a few seconds need not look for garbage.
    with contextlib.ExitStack() as stack:
        if sys.argv[1:] == [NO_FILES]:
            # matplotlib keeps its list of fonts in memory, and only until it has read it.
            os.environ["MPLCONFIGDIR"] = stack.enter_context(tempfile.TemporaryDirectory(dir="/dev/shm"))
        # matplotlib is imported, and fonts are read.
        draw_chart("calibration", [])
    charts: dict[str, Chart] = json.load(sys.stdin)
    print(json.dumps({name: draw_chart(kind, *data) for name, (kind, data) in charts.items()}), flush=True)
    # Without taking matplotlib down, which takes 0.2 s.
    os._exit(0)


def draw_chart(kind: str, *data: Any) -> str:
    """Draw a chart of a kind: a function below plots its data, and describes the chart to who does not see it."""
    from markupsafe import escape
    from matplotlib import rc_context
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    file = io.StringIO()
    with rc_context(fname=Path(__file__).with_name("charts.mplstyle")):
        # With the layout as a setting of the figure, everything would be drawn twice.
        figure = Figure()
        FigureCanvasSVG(figure)
        description = KINDS[kind](figure, *data)
        if labels := sum(len(axes.get_legend_handles_labels()[1]) for axes in figure.axes):
            # It covers nothing there, and takes no room from the axes.
            figure.legend(loc="outside upper left", ncols=2)
            figure.set_figheight(figure.get_figheight() + 0.25 * ((labels + 1) // 2))
        ConstrainedLayoutEngine().execute(figure)
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    _, _, svg = file.getvalue().partition("<svg")
    attributes = f'class="chart" role="img" aria-label="{escape(description)}"'
    svg = re.sub('width="[^"]*" height="[^"]*"', lambda _: attributes, svg, count=1)
    return "<svg" + re.sub("|".join(VARIABLES), lambda found: f"var(--{VARIABLES[found[0]]})", svg)


def _plot_learning_curve(figure: Figure, curve: metrics.LearningCurve) -> str:
    axes = figure.subplots()
    rounds, kept = range(1, len(curve["train"]) + 1), curve["model_rounds"]
    axes.plot(rounds, curve["train"], color=FIRST, label="training rows")
    axes.plot(rounds, curve["valid"], color=SECOND, label="validation rows")
    axes.axvline(kept, color=MUTED, linestyle=":", label=f"the model: {kept} rounds")
    axes.set(xlabel="round of training", ylabel=curve["loss"].replace("_", " "))
    return f"Loss by round; the model keeps {kept} rounds."


def _plot_importances(figure: Figure, importances: list[metrics.Importance], lost: str = "accuracy lost") -> str:
    shown = importances[:SHOWN_FEATURES]
    names = [feature["feature"] for feature in shown]
    losses, deviations = ([each[key] or 0.0 for each in shown] for key in ("permutation", "permutation_std"))
    figure.set_figheight(max(3.0, 0.3 * len(names) + 1))
    left, right = figure.subplots(1, 2, sharey=True)
    left.barh(range(len(shown)), losses, xerr=deviations, color=FIRST, ecolor=MUTED, tick_label=[*map(shorten, names)])
    left.invert_yaxis()
    right.barh(range(len(shown)), [feature["gain"] for feature in shown], color=SECOND)
    right.tick_params(left=False)
    for axes, label in ((left, f"{lost}\nif shuffled"), (right, "loss reduced\nin training")):
        axes.set_xlabel(label)
        axes.locator_params(axis="x", nbins=3)
    return f"Features by importance: {', '.join(names)}."


def shorten(text: str) -> str:
    """Shorten a text to fit the available space."""
    return text if len(text) <= LONGEST_LABEL else f"{text[: LONGEST_LABEL - 1]}…"


def _plot_worst(figure: Figure, classes: list[metrics.ClassScores]) -> str:
    axes = figure.subplots()
    shown = [each for each in classes if each["thresholds"]][:SHOWN_CURVES]
    for each in shown:
        recalls, precisions = ([point[score] for point in each["thresholds"]] for score in ("recall", "precision"))
        axes.plot([*recalls, 0], [*precisions, 1], label=shorten(str(each["name"])))
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1.02), ylim=(0, 1.05))
    return f"Precision by recall, for the classes {', '.join(str(each['name']) for each in shown)}."


def _plot_calibration(figure: Figure, bins: list[dict[str, float]]) -> str:
    figure.set_figheight(3.6)
    probabilities = [each["probability"] for each in bins]
    curve, counts = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    curve.plot([0, 1], [0, 1], color=MUTED, linestyle=":", label="as it should be")
    curve.plot(probabilities, [each["accuracy"] for each in bins], color=FIRST, marker="o", label="the model")
    curve.set(ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.05))
    counts.bar(probabilities, [each["rows"] for each in bins], width=0.03, color=FIRST)
    counts.set(xlabel="probability of the predicted class", ylabel="rows")
    counts.locator_params(axis="y", nbins=3, integer=True)
    return "Share of right predictions, and number of rows, by the probability of the predicted class."


def _plot_points(
    figure: Figure, points: list[list[float]], deciles: list[dict[str, float]], interval: dict[str, float], unit: str
) -> str:
    figure.set_figheight(7.0)
    truth, predicted = zip(*points, strict=True)
    errors, ends = [prediction - true for true, prediction in points], [min(predicted), max(predicted)]
    top, middle, bottom = figure.subplots(3, 1, sharex=True, height_ratios=[5, 3, 2])
    # matplotlib leaves labels that begin so out of the legend.
    for axes, values, line, hidden in ((top, truth, ends, ""), (middle, errors, [0.0, 0.0], "_")):
        axes.plot(predicted, values, ".", color=FIRST, alpha=0.6, label=f"{hidden}test row")
        axes.plot(ends, line, color=MUTED, linestyle=":", label=f"{hidden}as it should be")
        if interval:
            low, high = ([each + sign * interval["radius"] for each in line] for sign in (-1, 1))
            label = f"{hidden}interval of {100 * interval['level']:.4g} %"
            axes.fill_between(ends, low, high, color=SECOND, alpha=0.2, linewidth=0, label=label)
    bottom.plot([each["prediction"] for each in deciles], [each["mae"] for each in deciles], color=FIRST, marker="o")
    bottom.set(xlabel=f"prediction{unit}", ylabel="mae of tenths", ylim=(0, None))
    for axes, label in ((top, f"truth{unit}"), (middle, f"error{unit}")):
        axes.set_ylabel(label)
    return "Truth, error and mean absolute error of each tenth of the test rows, by prediction."


def _plot_shift(figure: Figure, name: str, column: ColumnShift) -> str:
    figure.set_figheight(3.6)
    axes, reference = figure.subplots(), column["reference"]
    prefix = "from " if reference["is_ordered"] else ""
    starts = [f"{prefix}{start:.4g}" if isinstance(start, float) else str(start) for start in reference["starts"]]
    bars = [(-0.2, reference["counts"], FIRST, "test rows"), (0.2, column["counts"], SECOND, "new rows")]
    for place, counts, color, label in bars:
        heights = [count / (sum(counts) or 1) for count in counts]
        axes.bar([bar + place for bar in range(len(counts))], heights, 0.4, color=color, label=label)
    labels = [shorten(label) for label in (*starts, "other", "missing")]
    axes.set_xticks(range(len(labels)), labels, rotation=90, fontsize=9)
    axes.set_ylabel("share of the rows")
    return f"Shares of the values of {name} among test rows and new rows."


def _plot_over_time(figure: Figure, series: dict[str, list[float | None]], label: str = "accuracy") -> str:
    figure.set_figheight(4.5)
    top, *rest = figure.subplots(3, 1, sharex=True)
    for name, color in (("accuracy", FIRST), ("mae", FIRST), ("estimated", SECOND), ("real", INK)):
        if any(value is not None for value in series[name]):
            top.plot(series[name], color=color, marker=".", label=name)
    top.set_ylabel(label)
    for axes, name in zip(rest, ("rows", "seconds"), strict=True):
        axes.plot(series[name], color=MUTED, marker=".")
        axes.set_ylabel(name)
    axes.set(xticks=[], xlabel="run")
    return f"{label.capitalize()}, estimated {label}, rows and seconds of the last runs."


KINDS: dict[str, Callable[..., str]] = {
    "learning_curve": _plot_learning_curve,
    "importances": _plot_importances,
    "worst": _plot_worst,
    "calibration": _plot_calibration,
    "points": _plot_points,
    "shift": _plot_shift,
    "over_time": _plot_over_time,
}


if __name__ == "__main__":
    main()
