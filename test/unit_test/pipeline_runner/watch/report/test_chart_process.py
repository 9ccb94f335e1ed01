from __future__ import annotations

import os
import signal

import pytest

from pipeline_runner.watch.report import chart_process
from pipeline_runner.watch.report.chart_process import ChartProcess
from pipeline_runner.watch.report.charts import draw_charts

CALIBRATION = ("calibration", [[{"probability": 0.9, "accuracy": 0.8, "rows": 5}]])
OVER_TIME = ("over_time", [{"accuracy": [0.9, None], "estimated": [None, None], "rows": [1, 2], "seconds": [1, 1]}])


@pytest.mark.parametrize("keeps_files", [True, False])
def test_draws_what_this_process_would(keeps_files: bool) -> None:
    listed = {"b": CALIBRATION, "a": OVER_TIME}
    with ChartProcess(keeps_files=keeps_files) as charts:
        charts.start()
        drawn = charts.draw(listed)
    assert drawn == draw_charts(listed)
    assert list(drawn) == ["b", "a"]


def test_draws_nothing() -> None:
    with ChartProcess(keeps_files=True) as charts:
        assert charts.draw({}) == {}


def test_tells_why_it_cannot_draw() -> None:
    with ChartProcess(keeps_files=True) as charts, pytest.raises(RuntimeError, match="KeyError: 'pie'"):
        charts.draw({"name": ("pie", [])})


def test_tells_that_it_has_been_killed() -> None:
    with ChartProcess(keeps_files=True) as charts:
        charts.start()
        assert charts._process is not None
        os.kill(charts._process.pid, signal.SIGKILL)
        with pytest.raises(RuntimeError, match="ended with -9"):
            charts.draw({"name": CALIBRATION})


def test_needs_matplotlib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chart_process, "find_spec", lambda _: None)
    with ChartProcess(keeps_files=True) as charts, pytest.raises(ImportError, match="matplotlib"):
        charts.draw({})


def test_is_no_process_after_the_run() -> None:
    with ChartProcess(keeps_files=True) as charts:
        charts.start()
        charts.start()
        process = charts._process
    assert process is not None
    assert process.returncode == -signal.SIGKILL
