"""The report: one page about a run, in one file."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from gokart_pipeline_sample.pipeline.drift.make_reference import Shift
from gokart_pipeline_sample.pipeline.drift.shift import ColumnShift
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.schemas.base import FINITE
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.utils.parameters import TableParameter
from gokart_pipeline_sample.utils.shown_task import ShownTask
from gokart_pipeline_sample.utils.view import ViewTask
from pipeline_runner.masking import mask
from pipeline_runner.watch.history import RunRecord, collect_series
from pipeline_runner.watch.report.charts import KINDS, Chart, draw_charts, sort_importances
from pipeline_runner.watch.report.graph_drawing import BOX_HEIGHT, BOX_WIDTH, draw_graph
from pipeline_runner.watch.task_graph import TaskGraph, serialize_parameters

SHOWN_WRONG_FEATURES = 5
LONGEST_RULES = 80
SHOWN_SHIFTS = 4


class Column(NamedTuple):
    """A description of a column of the input table."""

    name: str
    dtype: str
    rules: str
    description: str


def render_report(
    records: list[RunRecord],
    graph: TaskGraph,
    metrics: Metrics | None,
    shift: Shift | None,
    draw: Callable[[dict[str, Chart]], dict[str, str]] = draw_charts,
) -> str:
    """Render the page as self-contained HTML, about the last of the records, which are of runs of the same task.

    Raises:
        ImportError: the extra ``report`` is not installed.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    record = records[-1]
    shifted = dict([*shift["columns"].items()][:SHOWN_SHIFTS]) if shift else {}
    named = zip(graph.tasks.values(), record["tasks"], strict=True)
    evaluations = (found for task, found in named if isinstance(task, ShownTask) and task.document == "metrics")
    # The text of the table is escaped in the drawings.
    drawn = {name: Markup(svg) for name, svg in draw(list_charts(records, metrics, shifted)).items()}  # noqa: S704
    return environment.get_template("report.html.j2").render(
        record=record,
        metrics=metrics,
        shift=shift,
        drawn=drawn,
        shifted={name: drawn[f"shift of {name}"] for name in shifted},
        tasks=list(zip(graph.tasks, graph.names.values(), record["tasks"], strict=True)),
        drawing=draw_graph(graph),
        box=(BOX_WIDTH, BOX_HEIGHT),
        tables=_find_tables(graph),
        schema=FeatureSchema.__name__,
        columns=describe_columns(),
        wrong_features=_most_important(metrics) if metrics else [],
        evaluation=next((f"{task['name']}: {task['state']}" for task in evaluations), None),
    )


def list_charts(records: list[RunRecord], metrics: Metrics | None, shifted: dict[str, ColumnShift]) -> dict[str, Chart]:
    """List the charts of a page; see :func:`render_report`."""
    charts: dict[str, Chart] = {f"shift of {name}": ("shift", [name, column]) for name, column in shifted.items()}
    if metrics:
        charts |= {kind: (kind, [data]) for kind, data in metrics.items() if kind in KINDS}
    if len(records) > 1:
        charts["over_time"] = ("over_time", [collect_series(records)])
    return charts


def describe_columns() -> list[Column]:
    """Describe the columns of the input table."""
    columns = FeatureSchema.to_schema().columns
    return [
        Column(
            name=name,
            dtype=str(column.dtype),
            rules=textwrap.shorten(
                ", ".join(
                    [
                        *(str(check.error or check.name) for check in column.checks if check is not FINITE),
                        *(["unique"] if column.unique else []),
                        *(["may be missing"] if column.nullable else []),
                        *(["training only"] if not column.required else []),
                    ]
                ),
                LONGEST_RULES,
                placeholder=" …",
            ),
            description=column.description or "",
        )
        for name, column in columns.items()
    ]


def _find_tables(graph: TaskGraph) -> list[tuple[str, str, str]]:
    return [
        (graph.names[task_id], mask(getattr(task, name)), serialize_parameters(task)[name])
        for task_id, task in graph.tasks.items()
        for name in task.plain_parameters()
        if isinstance(getattr(type(task), name), TableParameter) and not isinstance(task, ViewTask)
    ]


def _most_important(metrics: Metrics) -> list[str]:
    # Rows are shown as they were preprocessed, without the features that were fitted later.
    known = metrics["most_confidently_wrong"][0]["features"] if metrics["most_confidently_wrong"] else {}
    shown = [each for each in metrics["importances"] if each["feature"] in known]
    return [feature["feature"] for feature in sort_importances(shown)[:SHOWN_WRONG_FEATURES]]
