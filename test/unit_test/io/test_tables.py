from __future__ import annotations

from sklearn.datasets import load_iris

from gokart_pipeline_sample.io.tables import read_iris


class TestReadIris:
    def test_is_the_table_that_scikit_learn_ships(self) -> None:
        data, iris = read_iris(), load_iris()
        assert data["id"].tolist() == list(range(150))
        assert data["target"].tolist() == iris.target.tolist()
        lengths = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        assert (data[lengths].to_numpy() == iris.data).all()
