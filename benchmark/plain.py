"""The pipeline as a plain script: the same libraries and parameters, without gokart, luigi or pandera.

Unlike the pipeline, it stores nothing, checks no table and cannot resume.
"""

import os
import sys
from io import BytesIO

import boto3
import lightgbm as lgb
import pandas as pd
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

FEATURES = ["sepal_length", "sepal_width", "petal_length", "petal_width", "petal_area"]
PARAMETERS = {
    "objective": "multiclass",
    "metric": "multi_logloss",
    "num_class": 3,
    "boosting": "gbdt",
    "num_leaves": 31,
    "feature_fraction": 0.5,
    "bagging_fraction": 0.5,
    "bagging_freq": 20,
    "learning_rate": 0.05,
    "seed": 42,
    "early_stopping_rounds": 100,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def main(key: str) -> None:
    """Train on iris and put the predictions of the test rows to ``key``."""
    data = load_iris(as_frame=True).frame.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    data.insert(0, "id", range(len(data)))
    data["petal_area"] = data["petal_length"] * data["petal_width"]
    rest, test = train_test_split(data, test_size=0.2, random_state=42)
    train, valid = train_test_split(rest, test_size=0.2, random_state=42)

    datasets = [lgb.Dataset(rows[FEATURES], label=rows["target"]) for rows in (train, valid)]
    curve: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        PARAMETERS,
        datasets[0],
        5000,
        valid_sets=datasets,
        valid_names=["train", "valid"],
        callbacks=[lgb.record_evaluation(curve)],
    )
    output = pd.DataFrame({"id": test["id"], "pred": booster.predict(test[FEATURES]).argmax(axis=1)})
    accuracy = accuracy_score(test["target"], output["pred"])
    if not accuracy > 0.9:
        sys.exit(f"the accuracy {accuracy} does not exceed the required 0.9")

    content = BytesIO(output.to_csv(index=False, lineterminator="\n").encode())
    boto3.client("s3").put_object(
        Bucket=os.environ["BUCKET_NAME"],
        Key=key,
        Body=content.getvalue(),
        ContentType="text/csv; charset=utf-8",
        ChecksumAlgorithm="SHA256",
        Metadata={"rows": str(len(output)), "accuracy": str(accuracy)},
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
