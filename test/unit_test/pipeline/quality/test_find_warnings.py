from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pandera.pandas as pa
import pytest
from pandera.typing import Series
from sklearn.datasets import load_iris, load_wine
from sklearn.metrics import roc_auc_score
from support.judged_tables import make_drifting, make_fraud, make_grouped, make_wide

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.quality import find_warnings
from gokart_pipeline_sample.pipeline.quality.find_warnings import EXAMINED_ROWS, decides_target, find_groups
from gokart_pipeline_sample.pipeline.schemas.base import GROUP, KEEP
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def make_labelled(rows: int, seed: int) -> pd.DataFrame:
    """Make up preprocessed flowers with a target that nothing tells of."""
    generator = np.random.default_rng(seed)
    lengths = ("sepal_length", "sepal_width", "petal_length", "petal_width", "petal_area")
    columns = {name: generator.uniform(0.1, 8, rows) for name in lengths}
    return pd.DataFrame({"id": np.arange(rows), **columns, "target": generator.integers(0, 3, rows)})


def test_there_are_none_for_a_good_table(model: Booster) -> None:
    assert find_warnings.find_warnings(make_labelled(600, 0), make_labelled(300, 1), model) == []


def test_all_are_found(model: Booster) -> None:
    train, test = make_labelled(600, 0), make_labelled(120, 1)
    train["sepal_length"], test["sepal_length"] = 5.0, 5.0
    for rows in (train, test):
        # Of each class in two ranges of its own: not even a feature that rises with the class.
        rows["petal_width"] = np.array([2.0, 1.0, 5.0])[rows["target"]] + 4 * (rows["id"] % 2)
    test.loc[test["target"] == 1, "target"] = 0
    test.loc[:2, "target"] = 1
    test.iloc[5:9] = train.iloc[5:9].to_numpy()
    found = find_warnings.find_warnings(train, test.astype({"id": int, "target": int}), model)
    assert [sentence.partition(": ")[0] for sentence in found][:1] == [
        "features with the same value in all training rows"
    ]
    assert any(sentence.startswith("classes with fewer than 30 test rows") for sentence in found)
    assert "test rows with the same features as a training row: 4 of 120" in found


@pytest.mark.parametrize("shape", ["rising", "in two ranges", "a category", "with gaps", "with infinity"])
def test_a_feature_that_gives_the_target_away_is_found(shape: str) -> None:
    train, test = make_labelled(900, 0), make_labelled(300, 1)
    frames = []
    for rows in (train, test):
        value = np.array([2.0, 1.0, 5.0])[rows["target"]] + (8 * (rows["id"] % 2) if shape == "in two ranges" else 0)
        leak = pd.Series(value)
        if shape == "a category":
            leak = leak.astype(int).astype("str").astype("category")
        if shape == "with gaps":
            leak = leak.mask(rows["target"] == 2)
        if shape == "with infinity":
            leak = leak.replace(2.0, np.inf)
        frames.append(pd.DataFrame({"leak": leak, "noise": rows["petal_width"]}))
    found = find_warnings.find_leaks(frames[0], train, frames[1], test)
    assert found == ["leak (1.0000)"]


@pytest.mark.parametrize("kind", ["number", "category"])
@pytest.mark.parametrize("customers", [120, 1000])
def test_a_customer_who_decides_the_target_is_found(kind: str, customers: int) -> None:
    train, test = make_labelled(10_000, 0), make_labelled(3000, 1)
    frames = []
    for rows in (train, test):
        customer = rows["id"] * 7919 % customers
        rows["target"] = customer * 104_729 % 1009 % 3
        frames.append(pd.DataFrame({"customer": customer if kind == "number" else customer.astype("category")}))
    assert find_warnings.find_leaks(frames[0], train, frames[1], test) == ["customer (1.0000)"]


def test_a_range_of_numbers_that_is_a_class_is_found() -> None:
    train, test = make_labelled(9000, 0), make_labelled(3000, 1)
    frames = [pd.DataFrame({"leak": rows["petal_width"] + 10 * (rows["target"] % 2)}) for rows in (train, test)]
    assert find_warnings.find_leaks(frames[0], train, frames[1], test) == []  # of the classes 0 and 2 it tells nothing
    for rows, frame in zip((train, test), frames, strict=True):
        frame["leak"] = rows["petal_width"] + 10 * np.array([2, 1, 3])[rows["target"]]
    (found,) = find_warnings.find_leaks(frames[0], train, frames[1], test)
    assert found in ("leak (0.9999)", "leak (1.0000)")


def test_areas_are_those_of_all_rows() -> None:
    generator = np.random.default_rng(0)
    groups, truth = generator.integers(0, 30, 500), generator.integers(0, 4, 500)
    shares = generator.random((30, 4))
    counts = np.bincount(groups * 4 + truth, minlength=120).reshape(30, 4)
    areas = find_warnings.measure_areas(shares, counts, counts.sum(axis=1, keepdims=True))
    expected = [roc_auc_score(truth == label, shares[groups, label]) for label in range(4)]
    assert areas == pytest.approx(expected)


def test_a_category_of_one_row_each_gives_nothing_away() -> None:
    train, test = make_labelled(900, 0), make_labelled(300, 1)
    features, tested = (
        pd.DataFrame({"key": pd.Series([f"{prefix}{row}" for row in rows["id"]]).astype("category")})
        for prefix, rows in (("a", train), ("b", test))
    )
    assert find_warnings.find_leaks(features, train, tested, test) == []


def test_missing_and_constant_features_are_named(model: Booster) -> None:
    train, test = make_labelled(600, 0), make_labelled(300, 1)
    train.loc[:299, "sepal_length"], train.loc[1:450, "sepal_width"] = np.nan, np.nan
    train["petal_length"], train["petal_width"] = 1.0, np.nan
    assert find_warnings.find_warnings(train, test, model) == [
        "features with the same value in all training rows: petal_length, petal_width",
        "features that are missing in more than half of the training rows: sepal_width (75%), petal_width (100%)",
    ]


def test_a_feature_that_varies_in_late_rows_alone_is_not_constant(model: Booster) -> None:
    train, test = make_labelled(find_warnings.EXAMINED_ROWS + 10, 0), make_labelled(300, 1)
    train.loc[: find_warnings.EXAMINED_ROWS, "petal_length"] = 1.0
    assert find_warnings.find_warnings(train, test, model) == []


def test_rows_of_rare_classes_are_counted(model: Booster) -> None:
    train, test = make_labelled(600, 0), make_labelled(200, 1).assign(target=[0] * 170 + [2] * 30)
    trouble = "classes with fewer than 30 test rows, so that their scores are uncertain"
    assert find_warnings.find_warnings(train, test, model) == [f"{trouble}: 1 (0)"]
    assert find_warnings.find_warnings(train, test[1:-1], model) == [f"{trouble}: 1 (0), 2 (29)"]


def test_copies_are_counted_whatever_the_categories_are(model: Booster, monkeypatch: pytest.MonkeyPatch) -> None:
    train = pd.DataFrame({"a": [1.0, 2.0, None], "b": pd.Series(["x", "y", "z"]).astype("category")})
    test = pd.DataFrame({"a": [2.0, 1.0, None, 2.0], "b": pd.Series(["y", "y", "z", "y"]).astype("category")})
    features = iter((train, test))
    monkeypatch.setattr(find_warnings, "select_features", lambda *_: next(features))
    found = find_warnings.find_warnings(make_labelled(3, 0), make_labelled(4, 1), model)
    assert "test rows with the same features as a training row: 3 of 4" in found


def test_long_lists_are_shortened() -> None:
    assert find_warnings.shorten([str(number) for number in range(12)]).endswith("8, 9 and 2 more")


class TestDecidesTarget:
    @pytest.mark.parametrize("prefix", [None, "customer "])
    def test_knows_groups_with_one_class_each(self, prefix: str | None) -> None:
        data = make_grouped()
        customer = data["customer"] if prefix is None else prefix + data["customer"].astype("str")
        assert decides_target(customer, data["target"])
        assert decides_target(customer.where(data["id"] % 7 > 0), data["target"])

    def test_knows_pairs_of_which_few_are_of_the_rare_class(self) -> None:
        customer = pd.Series(np.arange(10_000) // 2)
        assert decides_target(customer, (customer * 7919 % 100 < 3).astype(int))

    def test_passes_a_few_exceptions(self) -> None:
        data = make_grouped()
        assert decides_target(data["customer"], data["target"].where(data["id"] % 1000 > 0, 1 - data["target"]))
        assert not decides_target(data["customer"], data["target"].where(data["id"] % 10 > 0, 1 - data["target"]))

    @pytest.mark.parametrize("make", [make_grouped, make_fraud, make_wide, make_drifting])
    def test_knows_ids_and_measurements_from_groups(self, make: Callable[[], pd.DataFrame]) -> None:
        data = make()
        assert not [
            name for name in data if name not in ("customer", "target") and decides_target(data[name], data["target"])
        ]

    @pytest.mark.parametrize("load", [load_iris, load_wine])
    def test_knows_measurements_with_equal_values_from_groups(self, load: Callable[..., Any]) -> None:
        data = load(as_frame=True)
        assert not [name for name in data.data if decides_target(data.data[name], data.target)]

    @pytest.mark.parametrize(
        ("values", "target"),
        [
            (["setosa", "versicolor", "virginica"] * 50, [0, 1, 2] * 50),
            ([number // 2 for number in range(150)], [1] * 150),
            ([number // 2 for number in range(150)], [0, 1] * 75),
            ([number // 2 for number in range(40)], [number // 20 for number in range(40)]),
            ([None] * 150, [0, 1] * 75),
        ],
        ids=["category", "one class", "two classes each", "few rows", "nothing"],
    )
    def test_knows_other_columns_from_groups(self, values: list[Any], target: list[int]) -> None:
        assert not decides_target(pd.Series(values), pd.Series(target))

    def test_knows_a_feature_that_gives_the_target_away_from_groups(self) -> None:
        temperature = pd.Series(np.random.default_rng(0).uniform(0, 100, 5000).round(1))
        assert not decides_target(temperature, (temperature > 30).astype(int))

    def test_knows_copied_rows_from_groups(self) -> None:
        generator = np.random.default_rng(0)
        data = pd.DataFrame({"x": generator.normal(size=5000), "target": generator.integers(0, 2, 5000)})
        copied = pd.concat([data, data[:400]], ignore_index=True)
        assert not decides_target(copied["x"], copied["target"])

    @pytest.mark.parametrize("share", [0.5, 0.02])
    @pytest.mark.parametrize("is_sorted", [False, True])
    def test_knows_many_groups_by_the_first_rows(self, share: float, is_sorted: bool) -> None:
        generator = np.random.default_rng(0)
        customer = np.repeat(np.arange(10 * EXAMINED_ROWS // 10), 10)
        customer = customer if is_sorted else generator.permutation(customer)
        target = generator.random(len(customer))[customer] < share
        assert decides_target(pd.Series(customer), pd.Series(target))
        assert not decides_target(pd.Series(customer), pd.Series(generator.permutation(target)))


class TestFindGroups:
    class Schema(PreprocessedSchema):
        customer: Series[int] = pa.Field(metadata=KEEP)
        region: Series[str] | None = pa.Field(metadata=KEEP)

    @pytest.fixture
    def rows(self, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
        monkeypatch.setattr(find_warnings, "PreprocessedSchema", self.Schema)
        grouped = make_grouped()
        return make_labelled(len(grouped), 0).assign(target=grouped["target"], customer=grouped["customer"])

    def test_names_a_kept_column_that_is_in_both_parts(self, rows: pd.DataFrame) -> None:
        train, test = rows[:1500], rows[1500:]
        values = test["customer"][test["customer"].isin(train["customer"])].nunique()
        assert find_groups(train, test) == [f"customer ({values} values)"]

    def test_names_a_feature(self, rows: pd.DataFrame) -> None:
        rows["sepal_length"] = rows["customer"].astype(float)
        rows["customer"] = 1
        (found,) = find_groups(rows[:1500], rows[1500:])
        assert found.startswith("sepal_length (")

    @pytest.mark.parametrize("dtype", ["str", "Int64"])
    def test_names_the_values_of_text_and_passes_gaps(self, rows: pd.DataFrame, dtype: str) -> None:
        rows["customer"] = rows["customer"].astype(dtype).where(rows["id"] % 9 > 0)
        train, test = rows[:1500], rows[1500:]
        values = test["customer"][test["customer"].isin(train["customer"].dropna())].nunique()
        assert find_groups(train, test) == [f"customer ({values} values)"]
        assert find_groups(train, test.assign(customer=test["customer"].where(test["id"] < 0))) == []

    def test_passes_what_is_split_by_group(self, rows: pd.DataFrame) -> None:
        is_tested = rows["customer"] % 5 == 0
        assert find_groups(rows[~is_tested], rows[is_tested]) == []

    def test_passes_what_is_marked(self, rows: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> None:
        class Marked(PreprocessedSchema):
            customer: Series[int] = pa.Field(metadata=GROUP)

        monkeypatch.setattr(find_warnings, "PreprocessedSchema", Marked)
        assert find_groups(rows[:1500], rows[1500:]) == []

    def test_is_a_warning(self, rows: pd.DataFrame, model: Booster) -> None:
        found = find_warnings.find_warnings(
            rows[:1500].reset_index(drop=True), rows[1500:].reset_index(drop=True), model
        )
        (warning,) = (each for each in found if "metadata=GROUP" in each)
        assert ": customer (" in warning

    def test_is_quiet_about_iris(self, parts: Parts) -> None:
        assert find_groups(parts[0], parts[2]) == []
