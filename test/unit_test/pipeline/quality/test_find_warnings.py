from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.pipeline.quality import find_warnings

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


def test_copies_are_counted_whatever_the_categories_are() -> None:
    train = pd.DataFrame({"a": [1.0, 2.0, None], "b": pd.Series(["x", "y", "z"]).astype("category")})
    test = pd.DataFrame({"a": [2.0, 1.0, None, 2.0], "b": pd.Series(["y", "y", "z", "y"]).astype("category")})
    assert find_warnings.count_copies(train, test) == 3


def test_long_lists_are_shortened() -> None:
    assert find_warnings.shorten([str(number) for number in range(12)]).endswith("8, 9 and 2 more")
