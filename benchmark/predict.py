"""Predict a table in one call with the compiled model, as the baseline for the pipeline's batches.

python benchmark/predict.py MODEL TABLE     prints the seconds that the prediction takes
"""

import os
import sys
import time
from pathlib import Path

import pandas as pd

from gokart_pipeline_sample.io.compiled_model import FastModel, get_default_folder
from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor


def main(model: str, table: str) -> None:
    """Predict, and print the duration in seconds."""
    data = pd.read_parquet(table)
    if "petal_length" in data:
        data["petal_area"] = data["petal_length"] * data["petal_width"]
    booster = LightGBMModelProcessor().deserialize(Path(model).read_bytes())
    features = data[booster.feature_name()]
    compiled = FastModel(booster, os.cpu_count() or 1, get_default_folder(in_memory=False))
    compiled.predict(features[:1000])
    started = time.perf_counter()
    compiled.predict(features)
    print(time.perf_counter() - started)


if __name__ == "__main__":
    main(*sys.argv[1:])
