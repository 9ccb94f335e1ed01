from __future__ import annotations

from pathlib import Path

import pandas as pd
import pandera.pandas as pa
import pyarrow
import pytest
from pandera.errors import SchemaErrors
from pandera.typing import Series

from gokart_pipeline_sample.errors import BadRowsError, TableError
from gokart_pipeline_sample.pipeline import load_data
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.schemas.base import KEEP
from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.csv"


class TestRead:
    def test_reads_iris_unless_told_otherwise(self, iris: pd.DataFrame) -> None:
        pd.testing.assert_frame_equal(LoadDataTask().read(), iris)

    def test_reads_a_table_in_the_order_of_the_schema(self, flowers: pd.DataFrame, path: Path) -> None:
        flowers.assign(note="x")[["target", "note", *flowers.columns[:-1]]].to_csv(path, index=False)
        pd.testing.assert_frame_equal(LoadDataTask(table=str(path)).read(), flowers)

    def test_names_a_missing_target(self, flowers: pd.DataFrame, path: Path) -> None:
        flowers.drop(columns="target").to_csv(path, index=False)
        with pytest.raises(TableError, match=r"table\.csv: columns are missing \(target\)"):
            LoadDataTask(table=str(path)).read()


class TestReadKept:
    class Schema(IrisFeatureSchema):
        day: Series[pd.Timestamp] = pa.Field(metadata=KEEP)
        seen: Series[pd.Int64Dtype] | None = pa.Field(metadata=KEEP, nullable=True)

    def test_reads_what_is_kept(self, flowers: pd.DataFrame, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(load_data, "FeatureSchema", self.Schema)
        days, seen = pd.to_datetime(["2024-01-02", "2024-01-03"]).as_unit("ns"), pd.array([2**53 + 1, None], "Int64")
        flowers.assign(day=days, seen=seen).to_csv(path, index=False)
        read = LoadDataTask.check_rows(LoadDataTask(table=str(path)).read())
        pd.testing.assert_frame_equal(read, flowers.assign(day=days, seen=seen), check_like=True)

    @pytest.mark.parametrize("name", ["day", "seen"])
    def test_names_what_is_missing_of_it(
        self, flowers: pd.DataFrame, path: Path, monkeypatch: pytest.MonkeyPatch, name: str
    ) -> None:
        monkeypatch.setattr(load_data, "FeatureSchema", self.Schema)
        flowers.assign(day="2024-01-02", seen=1).drop(columns=name).to_csv(path, index=False)
        with pytest.raises(TableError, match=rf"columns are missing \({name}\)"):
            LoadDataTask(table=str(path)).read()


class TestRun:
    def test_keeps_the_table(self, iris: pd.DataFrame, path: Path, tmp_path: Path) -> None:
        iris.to_csv(path, index=False)
        task = LoadDataTask(table=str(path), workspace_directory=str(tmp_path / "workspace"))
        task.run()
        pd.testing.assert_frame_equal(task.output().load(), iris)

    def test_takes_what_has_an_arrow_stream(self, iris: pd.DataFrame, tmp_path: Path) -> None:
        class StreamTask(LoadDataTask):
            def read(self) -> pyarrow.Table:
                columns = {"id": pyarrow.array(iris["id"], pyarrow.int32()), "note": ["x"] * len(iris)}
                return pyarrow.table(columns | {name: iris[name] for name in iris if name != "id"})

        task = StreamTask(workspace_directory=str(tmp_path / "workspace"))
        task.run()
        pd.testing.assert_frame_equal(task.output().load(), iris)

    @pytest.mark.parametrize(
        ("column", "values", "error"),
        [
            ("petal_width", ["0.5 cm", "2.0"], BadRowsError),
            ("target", [1, 1], ValueError),
            ("id", [7, 7], BadRowsError),
        ],
    )
    def test_keeps_no_table_that_one_cannot_train_on(
        self,
        flowers: pd.DataFrame,
        path: Path,
        tmp_path: Path,
        column: str,
        values: list[object],
        error: type[Exception],
    ) -> None:
        flowers.assign(**{column: values}).to_csv(path, index=False)
        task = LoadDataTask(table=str(path), workspace_directory=str(tmp_path / "workspace"))
        with pytest.raises(error):
            task.run()
        assert not task.output().exists()


class TestCheckRows:
    def test_lets_good_rows_pass(self, flowers: pd.DataFrame) -> None:
        pd.testing.assert_frame_equal(LoadDataTask.check_rows(flowers), flowers)

    def test_gives_them_the_types_of_the_schema(self, flowers: pd.DataFrame) -> None:
        pd.testing.assert_frame_equal(LoadDataTask.check_rows(flowers.astype({"id": object})), flowers)

    def test_names_every_breach_at_once(self, iris: pd.DataFrame) -> None:
        data = iris[:6].assign(
            id=[1, 2, 3, 4, 5, 5],
            petal_width=pd.Series(["0.5 cm", *iris["petal_width"][1:6]], dtype=object),
            sepal_width=[3.0, -3.5, *iris["sepal_width"][2:6]],
            target=pd.Series([0, 0, None, "rose", 0, 0], dtype=object),
        )
        with pytest.raises(BadRowsError) as caught:
            LoadDataTask.check_rows(data)
        start, *breaches = str(caught.value).replace(": ", "; ", 1).split("; ")
        assert start == "the frame breaks IrisFeatureSchema"
        assert sorted(breaches) == [
            "id breaks field_uniqueness in 2 rows, the first of them with id [5, 5]",
            "petal_width breaks dtype('float64') in 1 rows, the first of them with id [1] and the values ['0.5 cm']",
            "sepal_width breaks greater_than(0) in 1 rows, the first of them with id [2] and the values [-3.5]",
            "target breaks dtype('int64') in 1 rows, the first of them with id [4] and the values ['rose']",
            "target breaks not_nullable in 1 rows, the first of them with id [3]",
        ]

    def test_counts_rows_by_check(self, iris: pd.DataFrame) -> None:
        with pytest.raises(BadRowsError) as caught:
            LoadDataTask.check_rows(iris.assign(petal_width=-1.0, target=iris["target"] + 2))
        assert str(caught.value) == (
            "the frame breaks IrisFeatureSchema: "
            "petal_width breaks greater_than(0) in 150 rows, the first of them with id [0, 1, 2, 3, 4] "
            "and the values [-1.0]; "
            "target breaks isin([0, 1, 2]) in 100 rows, the first of them with id [50, 51, 52, 53, 54] "
            "and the values [3, 4]"
        )

    def test_leaves_out_a_few(self, iris: pd.DataFrame) -> None:
        bad = iris.assign(petal_width=iris["petal_width"].where(iris["id"] > 2, -1.0))
        left = LoadDataTask.check_rows(bad, allowed_share=0.02)
        assert left["id"].tolist() == list(range(3, 150))
        assert left.index.tolist() == list(range(147))
        with pytest.raises(BadRowsError, match=r"petal_width breaks .* in 3 rows"):
            LoadDataTask.check_rows(bad, allowed_share=0.019)

    def test_names_a_missing_column(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'petal_width' not in dataframe"):
            LoadDataTask.check_rows(flowers.drop(columns="petal_width"))


class TestCheckLabelled:
    def test_lets_a_labelled_table_pass(self, flowers: pd.DataFrame) -> None:
        assert LoadDataTask.check_labelled(flowers).equals(flowers)

    def test_names_a_missing_target(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors, match="column 'target' not in dataframe"):
            LoadDataTask.check_labelled(flowers.drop(columns="target"))

    def test_names_every_breach_at_once(self, flowers: pd.DataFrame) -> None:
        with pytest.raises(SchemaErrors) as caught:
            LoadDataTask.check_labelled(flowers.assign(sepal_width=-1.0).drop(columns="petal_width"))
        assert set(caught.value.failure_cases["column"]) == {"sepal_width", "IrisFeatureSchema"}
        assert "petal_width" in set(caught.value.failure_cases["failure_case"])

    @pytest.mark.parametrize(
        ("rows", "message"), [(0, r"0 rows of the classes \[\]"), (1, r"1 rows of the classes \[0\]")]
    )
    def test_refuses_a_table_of_less_than_two_classes(self, flowers: pd.DataFrame, rows: int, message: str) -> None:
        with pytest.raises(ValueError, match=f"{message}: give at least two classes"):
            LoadDataTask.check_labelled(flowers[:rows])
