"""What is done when the tasks of a run are done: a record, a report, and a few lines for a person."""

from __future__ import annotations

from datetime import datetime
from logging import getLogger

from gokart_pipeline_sample.io.s3 import S3Error
from gokart_pipeline_sample.pipeline.evaluate import EvaluateTask
from gokart_pipeline_sample.pipeline.schemas.metrics import Metrics
from pipeline_runner.history import History
from pipeline_runner.publication import Publication, find_publication
from pipeline_runner.recorder import FAILED, RAN, Failure, Outcome, RunRecorder
from pipeline_runner.report.report import render_report
from pipeline_runner.run_record import make_run_record
from pipeline_runner.task_graph import TaskGraph

logger = getLogger(__name__)

PUBLISHED = "published"
REPORT_TYPE = "text/html; charset=utf-8"
# What a shell adds to the number of a signal.
SIGNALLED = 128


def close_run(
    recorder: RunRecorder, workspace: str, *, started: datetime, command: list[str], exit_status: int, fetch: str
) -> dict[str, str]:
    """Keep a record of a run, write and publish its report, and say what came of it.

    Args:
        recorder: what has noted the run.
        workspace: path or URI of the workspace.
        started: when the run began.
        command: what luigi was asked for.
        exit_status: what the process exits with.
        fetch: command that leads to the object at ``{url}``.

    Returns:
        The lines of the summary, by what they say.
    """
    graph, settings = recorder.graph, recorder.settings
    summary: dict[str, str] = {}
    if graph is None or settings is None:
        return summary
    history = History(workspace)
    stem = f"{started:%Y%m%dT%H%M%S.%fZ}"
    try:
        publication = find_publication(graph)
        described = publication.describe() if publication and exit_status == 0 else {}
        if publication and exit_status == 0:
            summary |= _summarize(publication, described, fetch)
        outcomes, failure = recorder.outcomes(), recorder.first_failure()
        has_news = exit_status < SIGNALLED and any(outcome.state in (RAN, FAILED) for outcome in outcomes.values())
        metrics = _find_metrics(graph) if has_news else None
        record = make_run_record(
            graph,
            outcomes,
            history.records(graph.family),
            started=started,
            command=command,
            exit_status=exit_status,
            failure=failure,
            verdict=_judge(publication, outcomes, failure, exit_status),
            accuracy=float(described["accuracy"]) if "accuracy" in described else _get_accuracy(metrics),
            required_accuracy=publication.required_accuracy if publication else None,
            rows=int(described["rows"]) if "rows" in described else None,
            rejected=int(described["rejected"]) if "rejected" in described else None,
            published_to=summary.get("published"),
        )
        history.add(stem, record)
        if has_news and settings.write:
            page = render_report(record, graph, metrics).encode()
            history.folder.write(f"{stem}.html", page, REPORT_TYPE)
            summary["report"] = history.folder.locate(f"{stem}.html")
            if record["verdict"] == PUBLISHED and publication and settings.publish:
                _publish_report(publication, page)
    except ImportError as error:
        logger.warning('there is no report: install the extra "report", or set write of Report to false (%s)', error)
    except (OSError, S3Error) as error:
        logger.warning("the record or the report of this run is missing: %s", error)
    except Exception:
        logger.exception("the record or the report of this run is missing")
    return summary


def _publish_report(publication: Publication, page: bytes) -> None:
    try:
        publication.target.put_beside("report.html", page, REPORT_TYPE)
    except S3Error as error:
        logger.warning("the report is not beside the output, or is that of an earlier run: %s", error)


def _summarize(publication: Publication, described: dict[str, str], fetch: str) -> dict[str, str]:
    summary, url = dict(described), publication.target.path()
    if "accuracy" in described:
        summary["accuracy"] = f"{float(described['accuracy']):.4f}"
        if publication.required_accuracy is not None:
            summary["accuracy"] += f" (required: more than {publication.required_accuracy})"
    return {**summary, "published": url, "fetch": fetch.format(url=url)}


def _judge(
    publication: Publication | None, outcomes: dict[str, Outcome], failure: Failure | None, exit_status: int
) -> str:
    if exit_status >= SIGNALLED:
        return "stopped"
    if exit_status:
        return "not accurate enough" if failure and failure.is_gate else "failed"
    ran = {task_id for task_id, outcome in outcomes.items() if outcome.state == RAN}
    if not ran:
        return "up to date"
    return PUBLISHED if publication and publication.task_id in ran else "done"


def _get_accuracy(metrics: Metrics | None) -> float | None:
    return metrics["model"]["accuracy"] if metrics else None


def _find_metrics(graph: TaskGraph) -> Metrics | None:
    """Return how good the model is, if the run, or an earlier one, came that far."""
    for task in graph.tasks.values():
        if isinstance(task, EvaluateTask) and task.complete():
            metrics: Metrics = task.output().load()
            return metrics
    return None
