from __future__ import annotations

import copy
import re
import string
from html.parser import HTMLParser

import pandera.pandas as pa
import pytest
from support.number import make_number_metrics, predict_number

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
        "groups": None,
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
        "decision": {},
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


def render(
    records: list[RunRecord],
    graph: TaskGraph,
    metrics: Metrics | None,
    shift: Shift | None,
    sizes: dict[str, int] | None = None,
    later: list[RunRecord] | None = None,
) -> str:
    """Render the report, with charts that this process draws."""
    documents = {"metrics": metrics, "shift": shift, "sizes": sizes}
    return render_report(records, later or [], graph, documents, DrawingHere(keeps_files=True))


def make_classes(metrics: Metrics, matrix: list[list[int]]) -> Metrics:
    """Replace the classes by those of a confusion matrix, which are named by letters."""
    names = string.ascii_letters[: len(matrix)]
    rows, predicted = [sum(row) for row in matrix], [sum(column) for column in zip(*matrix, strict=True)]
    right = [row[place] for place, row in enumerate(matrix)]
    classes = [
        {
            **metrics["classes"][0],
            "name": f"class-{name}",
            "rows": rows[place],
            "recall": right[place] / rows[place] if rows[place] else None,
            "f1": 2 * right[place] / (rows[place] + predicted[place]) if rows[place] + predicted[place] else None,
        }
        for place, name in enumerate(names)
    ]
    scores = {**metrics["model"], "accuracy": sum(right) / sum(rows)}
    baseline = {**metrics["baseline"], "accuracy": max(rows) / sum(rows)}
    made = {"rows": sum(rows), "classes": classes, "confusion_matrix": matrix, "model": scores, "baseline": baseline}
    return {**metrics, **made}  # type: ignore[typeddict-item]


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

    def test_shows_each_task_below_those_that_it_requires(self, record: RunRecord, graph: TaskGraph) -> None:
        page = render([record], graph, None, None)
        above = set[str]()
        for row in page.split('<div class="layer">')[1:]:
            boxes = [str(Text(box)).split() for box in row.split("</section>")[0].split('<div class="box-ran">')[1:]]
            for name, state, seconds, unit, *needs in boxes:
                assert [state, seconds, unit] == ["ran,", "0.50", "s"]
                (task_id,) = (each for each, other in graph.names.items() if other == name)
                required = {graph.names[other] for other in graph.requirements(task_id)}
                assert {need.rstrip(",") for need in needs} - {"←"} == required <= above
                assert needs[:1] == ["←"] * bool(required)
            above |= {name for name, *_ in boxes}
        assert above == {*graph.names.values()}

    def test_tells_how_many_groups_the_rows_are_of(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        assert "On 4 test rows. The" in str(Text(render([record], graph, metrics, None)))
        text = str(Text(render([record], graph, {**metrics, "groups": 2}, None)))
        assert "On 4 test rows in 2 groups. The" in text
        assert "95 % confidence interval of the accuracy (exact, for groups of rows): 0.5000 to 1.0000." in text

    def test_begins_with_the_verdict_and_the_reason(self, record: RunRecord, graph: TaskGraph) -> None:
        failed = {**record, "verdict": "failed", "exit_status": 40, "failure": "TrainTask: no", "object": None}
        text = str(Text(render([failed], graph, None, None)))
        title = "failed: gokart_pipeline_sample.RunTask, 2026-01-02T03:04"
        assert text.startswith(f"{title} failed TrainTask: no Next: ")
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
        assert "column 4: no and 2 more Next: " in text

    def test_gives_no_accuracy_that_was_not_the_reason(self, record: RunRecord, graph: TaskGraph) -> None:
        refused = {**record, "verdict": "not accurate enough", "exit_status": 40, "failure": "Check: recall"}
        pages = (render([{**refused, "accuracy": value}], graph, None, None) for value in (0.9, 0.95))
        texts = [str(Text(page)).partition("2026-01-02T03:04 ")[2] for page in pages]
        assert texts[0].startswith("not accurate enough: accuracy 0.9000, required more than 0.9 Check: recall")
        assert texts[1].startswith("not accurate enough Check: recall")

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

    def test_shows_why_wrong_rows_are_predicted_as_they_are(
        self, record: RunRecord, graph: TaskGraph, metrics: Metrics
    ) -> None:
        assert "reasons for the prediction" not in str(Text(render([record], graph, metrics, None)))
        metrics["most_confidently_wrong"][0]["reasons"] = ["length +1.2", f"{NASTY} -0.3"]
        page = render([record], graph, metrics, None)
        assert f"length +1.2, {NASTY} -0.3" in str(Text(page))
        assert NASTY not in page

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

    def test_tells_the_sizes_of_the_parts(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        text = str(Text(render([record], graph, metrics, None, {"train": 96, "valid": 24, "test": 4})))
        assert "The model Learned from 96 rows, stopped by the loss of 24 others. On 4 test rows." in text

    def test_draws_the_last_runs_after_the_model(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        text = str(Text(render([record] * 2, graph, metrics, None)))
        assert text.index("The model") < text.index("Over time") < text.index("Confusion matrix")

    def test_draws_the_real_accuracy_that_a_later_run_has_found(self, record: RunRecord, graph: TaskGraph) -> None:
        uid = record["tasks"][0]["unique_id"]
        later = {**record, "object": f"s3://bucket/batch/{uid}/evaluation.json"}
        pages = [render([record] * 2, graph, None, None, later=each) for each in ([], [later])]
        assert [">real<" in page for page in pages] == [False, True]

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


class TestInWords:
    @pytest.mark.parametrize(
        ("matrix", "sentence"),
        [
            pytest.param(
                [[897, 3], [91, 9]],
                "The model finds 9 of 100 test rows of the class class-b; 3 of 12 alarms are false.",
                id="rare class",
            ),
            pytest.param(
                [[9, 91], [1, 899]],
                "The model finds 9 of 100 test rows of the class class-a; 1 of 10 alarms is false.",
                id="rare class that comes first",
            ),
            pytest.param(
                [[90, 0], [10, 0]],
                "The model finds 0 of 10 test rows of the class class-b; it never raises an alarm.",
                id="class that is never predicted",
            ),
            pytest.param([[5, 0], [0, 4]], "The model is right in all 9 test rows.", id="nothing wrong"),
            pytest.param(
                [[50, 10], [10, 40]],
                "The model is right in 90 of 110 test rows; always the most frequent class would be right in 60. "
                "It is worst at the class class-b: it finds 40 of 50.",
                id="two classes",
            ),
            pytest.param(
                [[8, 1, 0, 0], [3, 1, 0, 0], [0, 0, 2, 0], [0, 0, 0, 0]],
                "The model is right in 11 of 15 test rows; always the most frequent class would be right in 9. "
                "It is worst at the class class-b: it finds 1 of 4.",
                id="several classes, one without rows",
            ),
        ],
    )
    def test_says_what_a_manager_reads(
        self, record: RunRecord, graph: TaskGraph, metrics: Metrics, matrix: list[list[int]], sentence: str
    ) -> None:
        assert f"{sentence} run " in str(Text(render([record], graph, make_classes(metrics, matrix), None)))


class TestOrder:
    def test_of_classes_begins_with_the_worst_and_ends_with_those_without_rows(
        self, record: RunRecord, graph: TaskGraph, metrics: Metrics
    ) -> None:
        scores = {"a": (5, 0.9), "b": (0, None), "c": (5, None), "d": (5, 0.1), "f": (6, 0.1), "e": (0, 0.0)}
        metrics["classes"] = [
            {**metrics["classes"][0], "name": name, "rows": rows, "f1": f1} for name, (rows, f1) in scores.items()
        ]
        metrics["confusion_matrix"] = [[0] * len(scores)] * len(scores)
        assert "for the classes c, f, d, a, b, e." in render([record], graph, metrics, None)

    def test_of_features_begins_with_the_most_important(
        self, record: RunRecord, graph: TaskGraph, metrics: Metrics
    ) -> None:
        losses = {"usual": None, "worse": -0.1, "most": 0.3, "middle": 0.2}
        metrics["importances"] = [
            {**metrics["importances"][0], "feature": name, "permutation": loss} for name, loss in losses.items()
        ]
        page = render([record], graph, metrics, None)
        assert "Features by importance: most, middle, worse, usual." in page


class TestManyClasses:
    @pytest.fixture
    def page(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> str:
        # Class b is the most frequent one, and class c the worst.
        matrix = [[10 * (row == column) for column in range(14)] for row in range(14)]
        matrix[1][1], matrix[2][2], matrix[2][3] = 50, 4, 8
        return render([record], graph, make_classes(metrics, matrix), None)

    def test_are_all_in_the_confusion_matrix_the_most_frequent_first(self, page: str) -> None:
        titles = re.findall(
            "<title>true class class-(.), predicted class class-(.): ([0-9]+) of ([0-9]+)</title>", page
        )
        assert titles[:3] == [("b", "b", "50", "50"), ("c", "c", "4", "12"), ("c", "d", "8", "12")]
        assert [true for true, predicted, *_ in titles if true == predicted] == list("bcadefghijklmn")

    def test_come_with_the_worst_first_and_the_others_folded(self, page: str) -> None:
        text = str(Text(page)).partition("The worst classes")[2]
        assert text.index("class-c 0.5000") < text.index("class-d 0.5000") < text.index("all 14 classes")
        assert Text(page).tags.count("details") == 2
        label = 'aria-label="Precision by recall, for the classes '
        assert page.partition(label)[2].startswith("class-c, class-d, class-b,")

    def test_few_are_not_folded(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        assert "details" not in Text(render([record], graph, metrics, None)).tags


class TestNextStep:
    @pytest.mark.parametrize(
        ("changes", "step"),
        [
            ({}, None),
            ({"verdict": "not accurate enough", "exit_status": 40, "failure": "no"}, "what was published before stays"),
            ({"verdict": "failed", "exit_status": 40, "failure": "no"}, "mend what the line above names"),
            ({"verdict": "published with 1 alarm", "alarms": ["x has shifted"]}, "look whether the source of the rows"),
        ],
    )
    def test_is_told_unless_all_is_well(
        self, record: RunRecord, graph: TaskGraph, changes: dict[str, object], step: str | None
    ) -> None:
        text = str(Text(render([{**record, **changes}], graph, None, None)))  # type: ignore[typeddict-item]
        assert ("Next: " in text) == (step is not None)
        assert f"Next: {step or ''}" in text or step is None


class TestEvaluation:
    def test_shows_the_real_accuracy_beside_the_estimate(self, record: RunRecord, graph: TaskGraph) -> None:
        join = {
            **record["tasks"][0],
            "name": "JoinTruthTask",
            "parameters": {"table": "", "manifest": "batch/1/m.json", "require": ""},
        }
        figures = {"accuracy": 0.304, "rows": 1000, "estimated": (0.8, 0.75, 0.85), "alarms": ["too low"]}
        run = {**record, **figures, "tasks": [join, *record["tasks"][1:]]}
        text = str(Text(render([run, run], graph, None, None)))  # type: ignore[list-item]
        assert "304 of 1000 predictions were right: 0.3040." in text
        assert "When it was published, 0.8000 (0.7500 to 0.8500) was estimated." in text
        assert "the real accuracy, beside what was estimated" in text
        assert "train a new one with these labels" in text
        assert "There are no figures" not in text


class TestNumber:
    @pytest.fixture(autouse=True)
    def number(self, monkeypatch: pytest.MonkeyPatch) -> None:
        predict_number(monkeypatch)

    @pytest.fixture
    def run(self, record: RunRecord) -> RunRecord:
        tasks = [{**record["tasks"][0], "parameters": {"table": "", "require": "mae<baseline"}}, *record["tasks"][1:]]
        return {**record, "accuracy": None, "mae": 0.2444, "required_accuracy": None, "tasks": tasks}  # type: ignore[typeddict-item]

    def test_says_what_a_manager_reads(self, run: RunRecord, graph: TaskGraph) -> None:
        text = str(Text(render([run], graph, make_number_metrics(), None)))
        assert (
            "published: mae 0.2444 cm, required mae<baseline A prediction is usually off by 0.24 cm; half of them by "
            "at most 0.18 cm; knowing nothing, one would be off by 0.66 cm. run "
        ) in text

    def test_tells_everything(self, run: RunRecord, graph: TaskGraph) -> None:
        page = render([run], graph, make_number_metrics(), None)
        text = str(Text(page))
        for sentence in (
            "On 40 test rows. The baseline is always the median of the training rows, 1.3 cm, or for",
            "mean absolute error (MAE) in cm 0.2444 0.6611",
            "root mean squared error (RMSE) in cm 0.3135 \u2013",
            "R², the share of the variance that is explained 0.8453 \u2013",
            "bias, the mean of prediction minus truth in cm 0.02749 -0.05812",
            "95 % confidence interval of the mean absolute error (Student's t): 0.1698 to 0.319 cm.",
            "They reach 0.6349 cm to either side of a prediction. 90 % of the truths are to be within; of the test "
            "rows 87.5 % are.",
            "Warnings a feature gives the target away",
            "R² lost",
            "l2",
            "id true predicted error length first 1.4 2.101 0.7011 1.235 second 120000 123457 0.5 \u2013",
        ):
            assert sentence in text, sentence
        assert 'aria-label="Truth, error and mean absolute error of each tenth' in page

    def test_counts_groups(self, run: RunRecord, graph: TaskGraph) -> None:
        grouped = {**make_number_metrics(), "groups": 7}
        text = str(Text(render([run], graph, grouped, None)))  # type: ignore[arg-type]
        assert "On 40 test rows in 7 groups. The baseline" in text
        assert "(Student's t, for groups of rows): 0.1698" in text

    def test_has_no_section_about_classes(self, run: RunRecord, graph: TaskGraph) -> None:
        titles = ("Confusion matrix", "Precision and recall", "Calibration", "Most confidently wrong", "Brier")
        text = str(Text(render([run] * 2, graph, make_number_metrics(), None)))
        assert not [title for title in (*titles, "accuracy", "class") if title in text.partition("Tasks")[0]]

    def test_without_intervals_does_not_speak_of_them(self, run: RunRecord, graph: TaskGraph) -> None:
        without = {**make_number_metrics(), "interval": {}, "coverage": None}
        page = render([run], graph, without, None)  # type: ignore[arg-type]
        assert "Intervals of the predictions" not in page
        assert "interval of 90 %" not in page

    def test_names_no_unit_that_there_is_not(
        self, run: RunRecord, graph: TaskGraph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        predict_number(monkeypatch, unit="")
        text = str(Text(render([run] * 2, graph, make_number_metrics(), None)))
        assert "usually off by 0.24; half of them by at most 0.18; knowing nothing, one would be off by 0.66." in text
        assert " cm" not in text.partition("Tasks")[0]
        assert " in 0" not in text

    def test_says_why_it_is_not_accurate_enough(self, run: RunRecord, graph: TaskGraph) -> None:
        refused = {**run, "verdict": "not accurate enough", "exit_status": 40, "failure": "CheckAccuracyTask: mae"}
        text = str(Text(render([refused], graph, make_number_metrics(), None)))  # type: ignore[list-item]
        assert "not accurate enough: mae 0.2444 cm, required mae<baseline CheckAccuracyTask: mae" in text
        assert "The warnings, the greatest errors and the learning curve below" in text

    def test_gives_the_estimate_for_new_rows(self, run: RunRecord, graph: TaskGraph, shift: Shift) -> None:
        estimate = {"mae": 0.25129, "low": 0.21, "high": 0.29}
        estimated = {"rows": 6, "estimated_mae": estimate, "columns": shift["columns"]}
        text = str(Text(render([run], graph, None, estimated)))  # type: ignore[arg-type]
        assert "Estimated mean absolute error: 0.2513 cm (0.21 to 0.29), as long as" in text

    def test_tells_the_real_error_of_a_batch(self, run: RunRecord, graph: TaskGraph) -> None:
        join = {**run["tasks"][0], "parameters": {"table": "", "manifest": "batch/1/m.json", "require": "mae<baseline"}}
        figures = {"rows": 1000, "estimated": (0.2, 0.15, 0.25), "alarms": ["too high"]}
        late = {**run, **figures, "tasks": [join, *run["tasks"][1:]]}
        text = str(Text(render([late] * 2, graph, None, None)))  # type: ignore[list-item]
        assert "The real error Of a published batch" in text
        assert "The mean absolute error of 1000 predictions was 0.2444 cm." in text
        assert "When it was published, 0.2 cm (0.15 to 0.25) was estimated." in text
        assert "the real error, beside what was estimated" in text

    def test_draws_no_accuracy_of_an_earlier_run_over_time(
        self, record: RunRecord, run: RunRecord, graph: TaskGraph
    ) -> None:
        alone, second = (render(records, graph, None, None) for records in ([record, run], [record, run, run]))
        assert "Over time" not in alone
        assert ">mae in cm<" in second
        assert ">accuracy<" not in second


class TestDecision:
    @pytest.mark.parametrize(
        ("more", "sentence"),
        [
            (
                {},
                "A row is predicted as 1 from a probability of 0.2000 on, and else as the most probable other class "
                "(1>=0.2). run",
            ),
            (
                {"text": "1:recall>=0.9", "precision": 0.6875, "recall": 1.0},
                "other class: 1:recall>=0.9 chose this on the validation rows, where it finds 100.0 % of that class, "
                "and 68.8 % of what it predicts as that class is right. run",
            ),
        ],
    )
    def test_is_told_with_how_it_was_chosen(
        self, record: RunRecord, graph: TaskGraph, metrics: Metrics, more: dict[str, object], sentence: str
    ) -> None:
        decided = {**metrics, "decision": {"text": "1>=0.2", "class": 1, "threshold": 0.2, **more}}
        text = str(Text(render([{**record, "decision": "1>=0.2"}], graph, decided, None)))  # type: ignore[arg-type]
        assert sentence in text
        assert "decision 1>=0.2" in text

    def test_that_there_is_not_is_not_told(self, record: RunRecord, graph: TaskGraph, metrics: Metrics) -> None:
        assert "decision" not in str(Text(render([record], graph, metrics, None))).partition("Tasks")[0]


class TestColumns:
    def test_are_folded_if_they_are_many(
        self, record: RunRecord, graph: TaskGraph, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        schema = FeatureSchema.to_schema()
        wide = schema.add_columns({f"x{number}": pa.Column(float) for number in range(500)})
        monkeypatch.setattr(FeatureSchema, "to_schema", lambda: wide)
        page = render([record], graph, None, None)
        assert Text(page).tags.count("details") == 1
        assert f"<summary>{len(schema.columns) + 500} columns</summary>" in page

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
