from __future__ import annotations

import copy
import re
from html.parser import HTMLParser

import pytest

from gokart_pipeline_sample.pipeline.drift.make_reference import Shift
from gokart_pipeline_sample.pipeline.drift.shift import ColumnShift, Distribution
from gokart_pipeline_sample.pipeline.quality.metrics import Metrics
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema
from pipeline_runner.watch.history import RunRecord
from pipeline_runner.watch.report.charts import Chart, ChartProcess, draw_chart
from pipeline_runner.watch.report.report import list_rules, render_report
from pipeline_runner.watch.task_graph import TaskGraph

SCORES = {"accuracy": 0.75, "balanced_accuracy": 0.7, "log_loss": 0.6, "brier_score": 0.5, "roc_auc": None}
NASTY = "<script>alert(1)</script>"


@pytest.fixture
def metrics() -> Metrics:
    return {
        "rows": 4,
        "model": SCORES,
        "baseline": {**SCORES, "accuracy": 0.25},
        "accuracy_interval": {"level": 0.95, "low": 0.5, "high": 1.0},
        "classes": [
            {
                "name": name,
                "rows": rows,
                "precision": 0.5,
                "recall": None,
                "f1": 0.4,
                "roc_auc": 0.9,
                "thresholds": [{"probability": 0.3, "precision": 0.25, "recall": 0.875, "f1": 0.389}],
            }
            for name, rows in (("setosa", 4), (NASTY, 0))
        ],
        "confusion_matrix": [[3, 1], [0, 0]],
        "calibration": [{"probability": 0.8, "accuracy": 0.75, "rows": 4}],
        "importances": [{"feature": "length", "gain": 2.0, "permutation": 0.1, "permutation_std": 0.0}],
        "learning_curve": {"loss": "multi_logloss", "train": [1.0], "valid": [1.0], "model_rounds": 1},
        "warnings": ["a feature gives the target away"],
        "most_confidently_wrong": [
            {"id": NASTY, "target": "setosa", "pred": NASTY, "probability": 0.8, "features": {"length": 1.23456789}}
        ],
    }


@pytest.fixture
def shift() -> Shift:
    column = ColumnShift(
        distance=0.6,
        threshold=0.2,
        alarms=["the distance is 0.60", "much is missing"],
        reference=Distribution(starts=[NASTY, "red"], is_ordered=False, counts=[5, 5, 0, 0]),
        counts=[0, 2, 1, 3],
    )
    quiet: ColumnShift = {**column, "alarms": []}
    names = [NASTY, "width", "length", "the predicted class", "height", "depth"]
    return Shift(
        rows=6,
        estimated_accuracy={"accuracy": 0.61, "low": 0.5, "high": 0.72},
        columns={name: quiet if number > 1 else column for number, name in enumerate(names)},
    )


class DrawingHere(ChartProcess):
    """Draws charts in this process."""

    def draw(self, listed: dict[str, Chart]) -> dict[str, str]:
        return {name: draw_chart(kind, *data) for name, (kind, data) in listed.items()}


def render(records: list[RunRecord], graph: TaskGraph, metrics: Metrics | None, shift: Shift | None) -> str:
    """Render the report, with charts that this process draws."""
    return render_report(records, graph, metrics, shift, DrawingHere(keeps_files=True))


class Text(HTMLParser):
    """The words of a page, without its style."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, _: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags[-1:] != ["style"]:
            self.words += data.split()

    def __str__(self) -> str:
        return " ".join(self.words)


class TestRenderReport:
    def test_tells_everything(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        text = str(Text(render([record], graph, metrics, None)))
        for sentence in (
            "published: accuracy 0.9500, required more than 0.9",
            "s3://some-bucket/output.csv (30 rows)",
            "accuracy 0.7500 0.2500",
            "95 % confidence interval of the accuracy (exact): 0.5000 to 1.0000.",
            "Warnings a feature gives the target away",
            "setosa 0.3000 0.2500 0.8750",
            "setosa 3 1",
            "setosa 0.5000 \u2013 0.4000 0.9000 4",
            "the model: 1 rounds",
            "CheckAccuracyTask ran, 0.50 s",
            "CheckAccuracyTask ran 0.50 never run",
            "learning_rate 0.05",
            "LoadDataTask: scikit-learn's bundled iris",
            "petal_width float64 greater_than(0) cm",
            "TrainTask.seed 42",
            f"lightgbm {record['versions']['lightgbm']}",
            "gokart_pipeline_sample.RunTask --local-scheduler",
        ):
            assert sentence in text, sentence

    def test_begins_with_the_verdict_and_the_reason(self, record: RunRecord, graph: TaskGraph) -> None:
        failed = {**record, "verdict": "failed", "exit_status": 40, "failure": "TrainTask: no", "object": None}
        text = str(Text(render([failed], graph, None, None)))
        title = "failed: gokart_pipeline_sample.RunTask, 2026-01-02T03:04"
        assert text.startswith(f"{title} failed TrainTask: no run")
        assert "There are no figures (EvaluateTask: ran)." in text

    @pytest.mark.parametrize(
        ("changes", "color"),
        [
            ({}, "--good"),
            ({"alarms": []}, "--good"),
            ({"alarms": ["a: no"]}, "--amber"),
            ({"alarms": ["a: no"], "exit_status": 40}, "--bad"),
        ],
    )
    def test_is_amber_with_alarms(
        self, record: RunRecord, graph: TaskGraph, changes: dict[str, object], color: str
    ) -> None:
        page = render([{**record, **changes}], graph, None, None)
        assert f"h1 {{ margin: 0; font-size: 26px; line-height: 1.2; color: var({color}); }}" in page
        assert f".verdict {{ border-left: 8px solid var({color}); }}" in page

    def test_begins_with_the_first_alarms(self, record: RunRecord, graph: TaskGraph) -> None:
        alarms = [f"column {number}: no" for number in range(7)]
        text = str(Text(render([{**record, "alarms": alarms}], graph, None, None)))
        assert "required more than 0.9 column 0: no column 1: no" in text
        assert "column 4: no and 2 more run" in text

    def test_has_no_link_and_no_script(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        page = render([record], graph, metrics, None)
        assert not {"script", "img", "iframe", "object", "a"} & set(Text(page).tags)
        links = re.findall(r"""(?:src|href|url)\s*[=(]\s*["']?([^"')>]*)""", page)
        assert links
        assert all(link.startswith(("#", "data:,")) for link in links)
        assert "Content-Security-Policy\" content=\"default-src 'none'" in page

    def test_shows_text_of_the_table_as_text(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        metrics["importances"][0]["feature"] = NASTY
        metrics["most_confidently_wrong"][0]["features"] = {NASTY: NASTY}
        page = render([{**record, "failure": NASTY}], graph, metrics, None)
        assert NASTY not in page
        assert str(Text(page)).count(NASTY) >= 6

    def test_tells_of_values_that_are_new(self, record: RunRecord, graph: TaskGraph) -> None:
        text = str(Text(render([{**record, "unseen": {"city": 7}}], graph, None, None)))
        assert "new values of city in 7 rows" in text

    def test_tells_of_new_rows_that_are_unlike_the_test_rows(
        self, record: RunRecord, graph: TaskGraph, shift: Shift
    ) -> None:
        page = render([record], graph, None, shift)
        text = str(Text(page))
        assert "Estimated accuracy: 0.6100 (0.5000 to 0.7200)" in text
        assert "width: the distance is 0.60; much is missing" in text
        assert "No column has shifted." not in text
        # The greatest shifts come first, and only these are drawn.
        drawn = re.findall('aria-label="Shares of the values of ([^"]*) among', page)
        assert drawn == ["&lt;script&gt;alert(1)&lt;/script&gt;", "width", "length", "the predicted class"]
        assert NASTY not in page

    def test_says_when_no_column_has_shifted(self, record: RunRecord, graph: TaskGraph, shift: Shift) -> None:
        for column in shift["columns"].values():
            column["alarms"] = []
        assert "No column has shifted." in str(Text(render([record], graph, None, shift)))

    def test_draws_the_last_runs_if_there_are_more_than_one(self, record: RunRecord, graph: TaskGraph) -> None:
        alone, second = (render([record] * number, graph, None, None) for number in (1, 2))
        assert "Over time" not in str(Text(alone))
        assert "Over time The last runs of the same task, the newest on the right." in str(Text(second))
        assert 'aria-label="Accuracy, estimated accuracy, rows and seconds of the last runs."' in second

    def test_is_about_the_last_of_the_runs(self, record: RunRecord, graph: TaskGraph) -> None:
        earlier = {**record, "verdict": "failed", "failure": "TrainTask: no", "champion": "kept: for ever"}
        last = {**record, "champion": "promoted: there was no champion"}
        text = str(Text(render([earlier, last], graph, None, None)))
        assert text.startswith("published: gokart_pipeline_sample.RunTask")
        assert "champion promoted: there was no champion" in text
        assert "for ever" not in text

    def test_says_when_no_row_is_wrong(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        right = copy.deepcopy(metrics)
        right["model"]["accuracy"], right["most_confidently_wrong"] = 1.0, []
        text = str(Text(render([record], graph, right, None)))
        assert "Every test row is predicted correctly." in text


class TestColumns:
    def test_are_those_of_the_table_that_comes_in(self, record: RunRecord, graph: TaskGraph) -> None:
        text = str(Text(render([record], graph, None, None)))
        table = text.partition("column type rules meaning")[2]
        columns = [
            "id int64",
            "sepal_length",
            "sepal_width",
            "petal_length",
            "petal_width",
            "target int64",
            "Parameters",
        ]
        places = [table.index(column) for column in columns]
        assert places == sorted(places)

    def test_are_described_by_their_rules(self) -> None:
        rules = {name: list_rules(column) for name, column in FeatureSchema.to_schema().columns.items()}
        assert rules["id"] == ["unique"]
        assert rules["target"] == ["isin([0, 1, 2])", "training only"]
        assert rules["petal_width"] == ["greater_than(0)"]
