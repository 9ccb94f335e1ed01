"""Predict a table in one call, with LightGBM or with the compiled model, as the baseline for the pipeline's batches.

python benchmark/predict.py ENGINE MODEL TABLE [PROBABILITIES]     prints the seconds that the prediction takes
"""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

from gokart_pipeline_sample.io.compiled_model import compile_model, get_default_folder
from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor


def main(engine: str, model: str, table: str, probabilities: str | None = None) -> None:
    """Predict, print the duration in seconds, and save the probabilities if a file is given."""
    data = pd.read_parquet(table)
    if "petal_length" in data:
        data["petal_area"] = data["petal_length"] * data["petal_width"]
    booster = LightGBMModelProcessor().deserialize(Path(model).read_bytes())
    features = data[booster.feature_name()]
    if engine == "compiled":
        booster = compile_model(booster, get_default_folder(in_memory=False), os.cpu_count() or 1)
    booster.predict(features[:1000])
    started = time.perf_counter()
    predicted = booster.predict(features)
    print(time.perf_counter() - started)
    if probabilities is not None:
        np.save(probabilities, predicted)


if __name__ == "__main__":
    main(*sys.argv[1:])
