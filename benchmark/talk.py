"""The design of the talk on today's gokart: tasks that hand on whole objects as pickles and check no table.

python benchmark/talk.py WORKSPACE KEY
"""

from __future__ import annotations

import os
import sys
from io import BytesIO
from typing import Any

import boto3
import gokart
import lightgbm as lgb
import luigi
import pandas as pd
from plain import FEATURES, PARAMETERS
from sklearn.datasets import load_iris
from sklearn.metrics import accuracy_score
from sklearn.model_selection import train_test_split


class LoadDataTask(gokart.TaskOnKart[pd.DataFrame]):
    """Outputs iris."""

    def run(self) -> None:
        """Save it."""
        data = load_iris(as_frame=True).frame.rename(columns=lambda name: name.removesuffix(" (cm)").replace(" ", "_"))
        data.insert(0, "id", range(len(data)))
        self.dump(data)


class PreprocessTask(gokart.TaskOnKart[pd.DataFrame]):
    """Outputs the rows with another feature."""

    def requires(self) -> LoadDataTask:
        """Require the rows."""
        return self.clone(LoadDataTask)

    def run(self) -> None:
        """Add the feature."""
        data = self.load()
        self.dump(data.assign(petal_area=data["petal_length"] * data["petal_width"]))


class SplitDataTask(gokart.TaskOnKart[dict[str, pd.DataFrame]]):
    """Outputs three parts of the rows as one object."""

    def requires(self) -> PreprocessTask:
        """Require the rows."""
        return self.clone(PreprocessTask)

    def run(self) -> None:
        """Split them."""
        rest, test = train_test_split(self.load(), test_size=0.2, random_state=42)
        train, valid = train_test_split(rest, test_size=0.2, random_state=42)
        self.dump({"train": train, "valid": valid, "test": test})


class TrainTask(gokart.TaskOnKart[lgb.Booster]):
    """Outputs the model."""

    def requires(self) -> SplitDataTask:
        """Require the parts."""
        return self.clone(SplitDataTask)

    def run(self) -> None:
        """Train it."""
        parts = self.load()
        datasets = [lgb.Dataset(parts[name][FEATURES], label=parts[name]["target"]) for name in ("train", "valid")]
        self.dump(lgb.train(PARAMETERS, datasets[0], 5000, valid_sets=datasets))


class PredTask(gokart.TaskOnKart[pd.DataFrame]):
    """Outputs the probabilities of the test rows."""

    def requires(self) -> dict[str, gokart.TaskOnKart[Any]]:
        """Require the model and the parts."""
        return {"model": self.clone(TrainTask), "parts": self.clone(SplitDataTask)}

    def run(self) -> None:
        """Predict."""
        self.dump(pd.DataFrame(self.load("model").predict(self.load("parts")["test"][FEATURES])))


class MakeOutputTask(gokart.TaskOnKart[pd.DataFrame]):
    """Outputs the classes of the test rows, if they are accurate."""

    def requires(self) -> dict[str, gokart.TaskOnKart[Any]]:
        """Require the probabilities and the parts."""
        return {"pred": self.clone(PredTask), "parts": self.clone(SplitDataTask)}

    def run(self) -> None:
        """Choose the classes."""
        test = self.load("parts")["test"]
        output = pd.DataFrame({"id": test["id"].to_numpy(), "pred": self.load("pred").to_numpy().argmax(axis=1)})
        if not accuracy_score(test["target"], output["pred"]) > 0.9:
            raise ValueError("the model is not accurate enough")
        self.dump(output)


class UploadS3Task(gokart.TaskOnKart[str]):
    """Puts the output to S3."""

    key: luigi.Parameter[str] = luigi.Parameter()

    def requires(self) -> MakeOutputTask:
        """Require the output."""
        return self.clone(MakeOutputTask)

    def run(self) -> None:
        """Put it."""
        content = BytesIO(self.load().to_csv(index=False).encode())
        boto3.client("s3").put_object(Bucket=os.environ["BUCKET_NAME"], Key=self.key, Body=content)
        self.dump(self.key)


if __name__ == "__main__":
    workspace, key = sys.argv[1:]
    gokart.build(UploadS3Task(key=key, workspace_directory=workspace))
