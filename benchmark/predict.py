"""Predict a table with LightGBM alone, in one call, as the baseline for the pipeline's batches.

python benchmark/predict.py MODEL TABLE [PROBABILITIES]     prints the seconds that Booster.predict takes
"""

import sys
import time

import lightgbm as lgb
import numpy as np
import pandas as pd

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width", "petal_area"]


def main(model: str, table: str, probabilities: str | None = None) -> None:
    """Predict, print the duration in seconds, and save the probabilities if a file is given."""
    data = pd.read_parquet(table)
    data["petal_area"] = data["petal_length"] * data["petal_width"]
    features = data[FEATURES]
    booster = lgb.Booster(model_file=model)
    booster.predict(features[:1000])
    started = time.perf_counter()
    predicted = booster.predict(features)
    print(time.perf_counter() - started)
    if probabilities is not None:
        np.save(probabilities, predicted)


if __name__ == "__main__":
    main(*sys.argv[1:])
