"""The report: one page about a run, in one file."""

from collections.abc import Callable
from pathlib import Path

import pandera.pandas as pa

from gokart_pipeline_sample.pipeline.drift.make_reference import Shift
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.schemas.base import FINITE
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from gokart_pipeline_sample.utils.parameters import TableParameter
from gokart_pipeline_sample.utils.shown_task import ShownTask
from gokart_pipeline_sample.utils.template import ViewTask
from pipeline_runner.masking import mask
from pipeline_runner.watch.history import RunRecord, collect_series
from pipeline_runner.watch.report.charts import KINDS, Chart, draw_charts, sort_importances
from pipeline_runner.watch.report.graph_drawing import BOX_HEIGHT, BOX_WIDTH, draw_graph
from pipeline_runner.watch.task_graph import TaskGraph

SHOWN_SHIFTS = 4


def render_report(
    records: list[RunRecord],
    graph: TaskGraph,
    metrics: Metrics | None,
    shift: Shift | None,
    draw: Callable[[dict[str, Chart]], dict[str, str]] = draw_charts,
) -> str:
    """Render the page as self-contained HTML, about the last of the records, which are of runs of the same task.

    Without the extra ``report`` it raises an ImportError.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    shifted = [*shift["columns"].items()][:SHOWN_SHIFTS] if shift else []
    charts: dict[str, Chart] = {f"shift of {name}": ("shift", [name, column]) for name, column in shifted}
    charts |= {kind: (kind, [data]) for kind, data in (metrics or {}).items() if kind in KINDS}
    if len(records) > 1:
        charts["over_time"] = ("over_time", [collect_series(records)])
    tasks = list(zip(graph.tasks.values(), graph.names.values(), records[-1]["tasks"], strict=True))
    evaluations = [made for task, _, made in tasks if isinstance(task, ShownTask) and task.document == "metrics"]
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
        metrics=metrics,
        shift=shift,
        # The text of the table is escaped in the drawings.
        drawn={name: Markup(svg) for name, svg in draw(charts).items()},  # noqa: S704
        tasks=tasks,
        drawing=draw_graph(graph),
        box=(BOX_WIDTH, BOX_HEIGHT),
        tables=tables,
        schema=FeatureSchema.to_schema(),
        list_rules=list_rules,
        importances=sort_importances(metrics["importances"]) if metrics else [],
        evaluation=next(iter(evaluations), None),
    )


def list_rules(column: pa.Column) -> list[str]:
    """Return what a column of the input table has to be."""
    flags = {"unique": column.unique, "may be missing": column.nullable, "training only": not column.required}
    checks = [str(check.error or check.name) for check in column.checks if check is not FINITE]
    return [*checks, *(flag for flag, is_set in flags.items() if is_set)]
