"""The pipeline in Kedro 1.x with pandera and a catalog of Parquet files, in an environment of its own.

python benchmark/kedro_pipeline.py FOLDER KEY
"""

import os
import sys
from io import BytesIO
from pathlib import Path

import boto3
import lightgbm as lgb
import pandas as pd
import pandera.pandas as pa
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from kedro_datasets.pandas import ParquetDataset
from kedro_datasets.pickle import PickleDataset
from plain import FEATURES, PARAMETERS
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split

LENGTH = pa.Column(float, pa.Check.gt(0))
IRIS = pa.DataFrameSchema(
    {
        "id": pa.Column(int, unique=True),
        **dict.fromkeys(FEATURES[:4], LENGTH),
        "target": pa.Column(int, pa.Check.isin([0, 1, 2])),
    },
    strict=True,
)
PREPROCESSED = IRIS.add_columns({"petal_area": LENGTH})
PREDICTION = pa.DataFrameSchema(
    {
        "id": pa.Column(int, unique=True),
        "pred": pa.Column(int, pa.Check.isin([0, 1, 2])),
        **{f"probability_{name}": pa.Column(float, pa.Check.in_range(0, 1)) for name in range(3)},
    },
    strict=True,
)
OUTPUT = PREDICTION.select_columns(["id", "pred"])


@pa.check_output(IRIS)
def load_data() -> pd.DataFrame:
    """Return iris."""
    data = load_iris(as_frame=True).frame.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
    data.insert(0, "id", range(len(data)))
    return data


@pa.check_io(data=IRIS, out=PREPROCESSED)
def preprocess(data: pd.DataFrame) -> pd.DataFrame:
    """Add a feature."""
    return data.assign(petal_area=data["petal_length"] * data["petal_width"])


@pa.check_input(PREPROCESSED)
def split_data(data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the rows to train on, to stop by and to test on."""
    rest, test = train_test_split(data, test_size=0.2, random_state=42)
    train, valid = train_test_split(rest, test_size=0.2, random_state=42)
    return train, valid, test


@pa.check_io(train=PREPROCESSED, valid=PREPROCESSED)
def train_model(train: pd.DataFrame, valid: pd.DataFrame) -> lgb.Booster:
    """Return the model."""
    datasets = [lgb.Dataset(rows[FEATURES], label=rows["target"]) for rows in (train, valid)]
    return lgb.train(PARAMETERS, datasets[0], 5000, valid_sets=datasets)


@pa.check_io(test=PREPROCESSED, out=PREDICTION)
def predict(model: lgb.Booster, test: pd.DataFrame) -> pd.DataFrame:
    """Return class and probabilities of the test rows."""
    probabilities = model.predict(test[FEATURES])
    classes = {"id": test["id"].to_numpy(), "pred": probabilities.argmax(axis=1)}
    return pd.DataFrame({**classes, **{f"probability_{name}": probabilities[:, name] for name in range(3)}})


@pa.check_io(prediction=PREDICTION, out=OUTPUT)
def make_output(prediction: pd.DataFrame) -> pd.DataFrame:
    """Return the classes."""
    return prediction[["id", "pred"]]


@pa.check_io(output=OUTPUT, test=PREPROCESSED, out=OUTPUT)
def check_accuracy(output: pd.DataFrame, test: pd.DataFrame) -> pd.DataFrame:
    """Return the output if it is accurate."""
    if not accuracy_score(test["target"], output["pred"]) > 0.9:
        raise ValueError("the model is not accurate enough")
    return output


@pa.check_input(OUTPUT)
def upload(output: pd.DataFrame) -> None:
    """Put the output to S3."""
    content = BytesIO(output.to_csv(index=False).encode())
    boto3.client("s3").put_object(Bucket=os.environ["BUCKET_NAME"], Key=sys.argv[2], Body=content)


def main(folder: Path) -> None:
    """Run the pipeline."""
    frames = ("data", "preprocessed", "train", "valid", "test", "prediction", "output", "checked")
    catalog = DataCatalog({name: ParquetDataset(filepath=str(folder / f"{name}.parquet")) for name in frames})
    catalog["model"] = PickleDataset(filepath=str(folder / "model.pkl"))
    pipeline = Pipeline(
        [
            node(load_data, None, "data"),
            node(preprocess, "data", "preprocessed"),
            node(split_data, "preprocessed", ["train", "valid", "test"]),
            node(train_model, ["train", "valid"], "model"),
            node(predict, ["model", "test"], "prediction"),
            node(make_output, "prediction", "output"),
            node(check_accuracy, ["output", "test"], "checked"),
            node(upload, "checked", None),
        ]
    )
    SequentialRunner().run(pipeline, catalog)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
