"""The batch script that everyone writes: read the whole table, predict it, write it, put it.

python benchmark/batch_script.py MODEL TABLE KEY     (the format of the output is that of the table)
"""

import os
import sys
from io import BytesIO

import boto3
import lightgbm as lgb
import pandas as pd
from boto3.s3.transfer import TransferConfig


def main(model: str, table: str, key: str) -> None:
    """Score the table and put the predictions to ``key``."""
    is_parquet = table.endswith(".parquet")
    data = pd.read_parquet(table) if is_parquet else pd.read_csv(table)
    if "petal_length" in data:
        data["petal_area"] = data["petal_length"] * data["petal_width"]
    booster = lgb.Booster(model_file=model)
    predicted = booster.predict(data[booster.feature_name()]).argmax(axis=1)
    output = pd.DataFrame({"id": data["id"], "pred": predicted})
    content = BytesIO(output.to_parquet(index=False) if is_parquet else output.to_csv(index=False).encode())
    # It may be too large for one request.
    boto3.client("s3").upload_fileobj(content, os.environ["BUCKET_NAME"], key, Config=TransferConfig(use_threads=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
