"""A run: run a task, save a record, write a report, print a summary."""

import contextlib
import logging
import sys
from pathlib import Path

import luigi
from gokart.build import WorkerSchedulerFactory
from luigi.execution_summary import LuigiStatusCode

from gokart_pipeline_sample.errors import S3Error
from gokart_pipeline_sample.io.s3 import is_s3
from gokart_pipeline_sample.utils.shown_task import PUBLISHED
from pipeline_runner import signals
from pipeline_runner.lock_folder import locking
from pipeline_runner.watch import slack
from pipeline_runner.watch.history import History
from pipeline_runner.watch.recorder import RAN, UP_TO_DATE, RunRecorder
from pipeline_runner.watch.report.charts import ChartProcess
from pipeline_runner.watch.report.report import render_report
from pipeline_runner.watch.run_record import RunResult, find_document, make_result, make_run_record
from pipeline_runner.watch.task_graph import RootTask

logger = logging.getLogger(__name__)

REPORT_TYPE = "text/html; charset=utf-8"
ALREADY_RUNNING, NOT_RUN, UNHANDLED = 10, 30, 4
EXIT_STATUSES = {
    LuigiStatusCode.SUCCESS: 0,
    LuigiStatusCode.SUCCESS_WITH_RETRY: 0,
    LuigiStatusCode.MISSING_EXT: 20,
    LuigiStatusCode.NOT_RUN: NOT_RUN,
    LuigiStatusCode.FAILED: 40,
    LuigiStatusCode.SCHEDULING_FAILED: 50,
    LuigiStatusCode.FAILED_AND_SCHEDULING_FAILED: 50,
}
LAST_LINES = {ALREADY_RUNNING: "this command is running already: wait for it to end, or stop it"}


def run(root: RootTask, workspace: str, fetch: str, started: float) -> int:
    """Run a task, print what it has published and where, or what went wrong, and return the exit status.

    The command ``fetch`` fetches the published object ``{url}``; the process ``started`` then, by time.monotonic().
    Raises a UsageError for wrong arguments or settings, and a KeyboardInterrupt if a signal has stopped the run.
    """
    # luigi's summary lists tasks with all their parameters; ours is printed below.
    logging.getLogger("luigi-interface").setLevel(logging.WARNING)
    recorder = RunRecorder()
    with ChartProcess(keeps_files=not is_s3(workspace)) as charts:
        if root.report.write:
            # As soon as luigi has found something to do.
            luigi.Task.event_handler(luigi.Event.DEPENDENCY_DISCOVERED)(lambda *_: charts.start())
        try:
            exit_status = run_luigi(root)
        except KeyboardInterrupt as interrupt:
            signals.end_workers()
            stopped = make_result(root, recorder.read(), started, signals.SIGNALLED + interrupt.args[0])
            save_record_and_report(stopped, workspace, charts)
            raise
        notes, root_id = recorder.read(), root.graph.root.task_id
        has_ended = any(note.task_id == root_id and note.state in (RAN, UP_TO_DATE) for note in notes)
        if exit_status in (0, NOT_RUN) and not has_ended:
            # With luigid, another run does the last tasks, or has done them.
            exit_status = exit_status or ALREADY_RUNNING
            with contextlib.suppress(S3Error):
                exit_status = 0 if root.graph.root.complete() else exit_status
        result = make_result(root, notes, started, exit_status)
        report = save_record_and_report(result, workspace, charts)
    if result.outcomes:
        for name, value in result.summarize(report, fetch).items():
            print(f"{name:10} {value}", file=sys.stderr if exit_status else sys.stdout)
        slack.notify(result, report)
    if exit_status and (message := result.failure.message if result.failure else LAST_LINES.get(exit_status)):
        print(f"error: {message}", file=sys.stderr)
    return exit_status


def run_luigi(root: RootTask) -> int:
    """Return the exit status that ``gokart.run`` would end with; that function builds luigi's parser seven times."""
    command = [str(Path(sys.argv[0]).resolve()), *root.arguments]
    with locking(root.lock_folder, command) if root.lock_folder else contextlib.nullcontext(True) as is_free:
        if not is_free:
            return ALREADY_RUNNING
        try:
            # Without luigi's own lock, which knows other processes by their numbers alone.
            done = luigi.build([root.graph.root], WorkerSchedulerFactory(), detailed_summary=True)
        except Exception:
            logging.getLogger("luigi-interface").exception("Uncaught exception in luigi")
            return UNHANDLED
    return EXIT_STATUSES[done.status]


def save_record_and_report(result: RunResult, workspace: str, charts: ChartProcess) -> str | None:
    """Save a record of a run, publish its report, and return the URI of that, if there is one; else only warn."""
    if not result.outcomes:
        return None
    graph, settings = result.root.graph, result.root.report
    history = History(workspace, result.root.encryption)
    stem = f"{result.started:%Y%m%dT%H%M%S.%fZ}"
    try:
        metrics = find_document(graph, "metrics") if result.needs_report else None
        # They are needed only if a task had to run.
        earlier = [*history.records(graph.root.task_family)] if result.verdict != "up to date" else []
        record = make_run_record(result, metrics, earlier)
        history.add(stem, record)
        if result.needs_report and settings.write:
            records, later = [record, *earlier][::-1], [*history.records()][::-1]
            documents = {"metrics": metrics, **{name: find_document(graph, name) for name in ("shift", "sizes")}}
            page = render_report(records, later, graph, documents, charts).encode()
            history.write(f"{stem}.html", page, REPORT_TYPE)
            if settings.publish and result.publisher and result.verdict.startswith(PUBLISHED):
                try:
                    result.publisher.output().put_beside(result.publisher.report_name, page, REPORT_TYPE)
                except S3Error as error:
                    logger.warning("the report is not beside the output, or is that of an earlier run: %s", error)
            return history.locate(f"{stem}.html")
    except ImportError as error:
        logger.warning('there is no report: install the extra "report", or set write of Report to false (%s)', error)
    except (OSError, S3Error) as error:
        logger.warning("the record or the report of this run is missing: %s", error)
    except Exception:
        logger.exception("the record or the report of this run is missing")
    return None
