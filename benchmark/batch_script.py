"""The batch script that everyone writes: read the whole table, predict it, write CSV, put it.

python benchmark/batch_script.py MODEL TABLE KEY [PROBABILITIES]

It prints the seconds that the prediction takes, and the time when it is done. Then it saves the probabilities if a file
is given.
"""

import os
import sys
import time

import boto3
import lightgbm as lgb
import numpy as np
import pandas as pd


def main(model: str, table: str, key: str, probabilities: str | None = None) -> None:
    """Score the table and put the predictions to ``key``."""
    data = pd.read_parquet(table) if table.endswith(".parquet") else pd.read_csv(table)
    if "petal_length" in data:
        data["petal_area"] = data["petal_length"] * data["petal_width"]
    booster = lgb.Booster(model_file=model)
    features = data[booster.feature_name()]
    started = time.perf_counter()
    predicted = booster.predict(features)
    print(time.perf_counter() - started)
    content = pd.DataFrame({"id": data["id"], "pred": predicted.argmax(axis=1)}).to_csv(index=False).encode()
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET_NAME"], Key=key, Body=content)
    print(time.time())
    if probabilities is not None:
        np.save(probabilities, predicted)


if __name__ == "__main__":
    main(*sys.argv[1:])
