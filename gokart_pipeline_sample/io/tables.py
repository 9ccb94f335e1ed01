"""Tables that the pipeline can start from."""

from __future__ import annotations

import pandas as pd


def read_iris() -> pd.DataFrame:
    """Read the iris table that scikit-learn ships (Fisher 1936), without touching the network.

    Returns:
        150 rows: ``id`` (int, the row number), ``sepal_length``, ``sepal_width``, ``petal_length``, ``petal_width``
        (float, cm), ``target`` (int: 0 setosa, 1 versicolor, 2 virginica).
    """
    from sklearn.datasets import load_iris

    iris: pd.DataFrame = load_iris(as_frame=True).frame
    return (
        iris.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
        .rename_axis(index="id")
        .reset_index()
    )
