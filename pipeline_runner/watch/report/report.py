"""The report: one page about a run, in one file, with a drawing of its tasks."""

from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import pandera.pandas as pa

from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.schemas.base import FINITE
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.utils.parameters import TableParameter
from gokart_pipeline_sample.utils.template import ViewTask
from pipeline_runner.masking import mask
from pipeline_runner.watch.history import RunRecord, collect_series, show_figure
from pipeline_runner.watch.report.charts import KINDS, Chart, ChartProcess
from pipeline_runner.watch.task_graph import TaskGraph

SHOWN_SHIFTS = 4
# In units of the SVG.
BOX_WIDTH, BOX_HEIGHT = 144, 40
_LAYER_HEIGHT, _PASSAGE_WIDTH, _GAP, _MARGIN = 68, 12, 18, 4

Point = tuple[float, float]


def render_report(
    records: list[RunRecord], later: list[RunRecord], graph: TaskGraph, documents: dict[str, Any], process: ChartProcess
) -> str:
    """Render self-contained HTML about the last of the records of a task; an ImportError means no extra ``report``.

    Later records, of any task, may be evaluations. The documents are those that tasks show, by name, or None.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    shift, metrics = documents["shift"], dict(documents["metrics"] or {})
    is_number, unit = QUALITY.figure == "mae", FeatureSchema.target_unit()
    in_unit = f" in {unit}" if unit else ""
    if metrics:
        # Features that were not shuffled have less gain, and come last.
        metrics["importances"] = sorted(
            metrics["importances"], key=lambda it: (it["permutation"] is None, -(it["permutation"] or 0), -it["gain"])
        )
    if "classes" in metrics:
        # By F1, and of equals the class with more rows first; those without any come last.
        metrics["worst"] = sorted(metrics["classes"], key=lambda it: (not it["rows"], it["f1"] or 0, -it["rows"]))
    shifted = [*shift["columns"].items()][:SHOWN_SHIFTS] if shift else []
    charts: dict[str, Chart] = {f"shift of {name}": ("shift", [name, column]) for name, column in shifted}
    more: dict[str, list[Any]] = {"importances": ["R² lost"] * is_number}
    more |= {"points": [metrics.get("deciles"), metrics.get("interval"), in_unit]}
    charts |= {kind: (kind, [data, *more.get(kind, [])]) for kind, data in metrics.items() if kind in KINDS}
    # Those of runs that predicted another kind of target are no errors, or no accuracies.
    others = {"accuracy", "mae"} - {QUALITY.figure}
    if len(alike := [each for each in records if all(each.get(name) is None for name in others)]) > 1:
        charts["over_time"] = ("over_time", [collect_series(alike, later), f"{QUALITY.figure}{in_unit}"])
    tasks = list(zip(graph.tasks.values(), graph.names.values(), records[-1]["tasks"], strict=True))
    tables = [
        (name, mask(table), made["parameters"][parameter])
        for task, name, made in tasks
        for parameter, table in task.plain_parameters().items()
        if isinstance(getattr(type(task), parameter), TableParameter) and not isinstance(task, ViewTask)
    ]
    loader = FileSystemLoader(Path(__file__).parent)
    pages = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return pages.get_template("report.html.j2").render(
        record=records[-1],
        **documents | {"metrics": metrics},
        # The text of the table is escaped in the drawings.
        drawn={name: Markup(svg) for name, svg in process.draw(charts).items()},  # noqa: S704
        tasks=tasks,
        drawing=draw_graph(graph),
        box=(BOX_WIDTH, BOX_HEIGHT),
        tables=tables,
        schema=FeatureSchema.to_schema(),
        list_rules=list_rules,
        is_number=is_number,
        unit=unit,
        in_unit=in_unit,
        show_figure=show_figure,
    )


def list_rules(column: pa.Column) -> list[str]:
    """Return what a column of the input table has to be."""
    flags = {"unique": column.unique, "may be missing": column.nullable, "training only": not column.required}
    checks = [str(check.error or check.name) for check in column.checks if check is not FINITE]
    return [*checks, *(flag for flag, is_set in flags.items() if is_set)]


class GraphDrawing(NamedTuple):
    """A drawing from top to bottom: each task is below all of its requirements."""

    width: float
    height: float
    boxes: dict[str, Point]  # the centre of each task's box, by task id
    arrows: list[list[Point]]  # the points that each arrow goes through


def draw_graph(graph: TaskGraph) -> GraphDrawing:
    """Lay a graph out in layers: Sugiyama et al., Methods for Visual Understanding of Hierarchical System Structures.

    An arrow that crosses a layer goes through a passage between its boxes, which all arrows of the same source share.
    """
    layers, last = graph.layers, max(graph.layers.values())
    # The last layer that an arrow from each task leads to.
    ends = {edge.source: layers[edge.target] for edge in sorted(graph.edges, key=lambda edge: layers[edge.target])}
    # The horizontal centre of each box and passage of a layer, relative to that of the drawing.
    places: dict[tuple[str, int], float] = {}
    width = 0.0
    for number in range(last + 1):
        items = {name: BOX_WIDTH for name, layer in layers.items() if layer == number}
        items |= {source: _PASSAGE_WIDTH for source, end in ends.items() if layers[source] < number < end}
        parents = {name: graph.requirements(name) if layers[name] == number else {name} for name in items}
        wanted = {name: fmean([places[parent, number - 1] for parent in parents[name]] or [0]) for name in items}
        total = sum(items.values()) + _GAP * (len(items) - 1)
        left = -total / 2
        for name in sorted(items, key=lambda name: (wanted[name], items[name], name)):
            places[name, number] = left + items[name] / 2
            left += items[name] + _GAP
        width = max(width, total + 2 * _MARGIN)

    def point(name: str, number: int, side: int = 0) -> Point:
        middle = _MARGIN + BOX_HEIGHT / 2 + number * _LAYER_HEIGHT
        return places[name, number] + width / 2, middle + side * BOX_HEIGHT / 2

    arrows = []
    for source, target in sorted({(edge.source, edge.target) for edge in graph.edges}):
        between = range(layers[source] + 1, layers[target])
        passages = [point(source, number, side) for number in between for side in (-1, 1)]
        arrows.append([point(source, layers[source], 1), *passages, point(target, layers[target], -1)])
    height = 2 * _MARGIN + BOX_HEIGHT + _LAYER_HEIGHT * last
    return GraphDrawing(width, height, {name: point(name, number) for name, number in layers.items()}, arrows)
