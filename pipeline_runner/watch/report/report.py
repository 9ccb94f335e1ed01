"""The report: one page about a run, in one file."""

from pathlib import Path
from typing import Any

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
    shifted = [*shift["columns"].items()][:4] if shift else []  # the greatest
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
        graph=graph,
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
