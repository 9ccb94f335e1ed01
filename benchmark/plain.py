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
    "min_sum_hessian_in_leaf": 0.1,
    "learning_rate": 0.05,
    "seed": 42,
    "early_stopping_rounds": 100,
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


def read_iris() -> pd.DataFrame:
    """Read iris and add the area of its petals."""
    data = load_iris(as_frame=True).frame.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    data.insert(0, "id", range(len(data)))
    return data.assign(petal_area=data["petal_length"] * data["petal_width"])


def main(key: str, table: str = "", rounds: str = "5000", require_acc: str = "0.9") -> None:
    """Train on iris, or a table of three classes in Parquet, and put the predictions of the test rows to ``key``."""
    data = pd.read_parquet(table) if table else read_iris()
    features = data.columns.drop(["id", "target"])
    rest, test = train_test_split(data, test_size=0.2, random_state=42)
    train, valid = train_test_split(rest, test_size=0.2, random_state=42)

    datasets = [lgb.Dataset(rows[features], label=rows["target"]) for rows in (train, valid)]
    curve: dict[str, dict[str, list[float]]] = {}
    booster = lgb.train(
        PARAMETERS,
        datasets[0],
        int(rounds),
        valid_sets=datasets,
        valid_names=["train", "valid"],
        callbacks=[lgb.record_evaluation(curve)],
    )
    output = pd.DataFrame({"id": test["id"], "pred": booster.predict(test[features]).argmax(axis=1)})
    accuracy = accuracy_score(test["target"], output["pred"])
    if not accuracy > float(require_acc):
        sys.exit(f"the accuracy {accuracy} does not exceed the required {require_acc}")

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
