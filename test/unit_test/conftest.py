"""Tables to test the functions on."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
import support.reference_project  # noqa: F401 - before the pipeline is imported
from hypothesis import HealthCheck, settings

from gokart_pipeline_sample.io.lightgbm_model import Booster
from gokart_pipeline_sample.io.tables.table import read_iris
from gokart_pipeline_sample.pipeline.drift.make_reference import MakeReferenceTask, Reference
from gokart_pipeline_sample.pipeline.pred import PredTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.pipeline.split_data import SplitDataTask
from gokart_pipeline_sample.pipeline.train import TrainTask

# How long an example takes says more of the machine than of the code.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture
def iris() -> pd.DataFrame:
    return read_iris()


@pytest.fixture
def flowers() -> pd.DataFrame:
    """Two rows of the input table."""
    return pd.DataFrame(
        {
            "id": [7, 3],
            "sepal_length": [5.0, 6.0],
            "sepal_width": [3.0, 3.5],
            "petal_length": [1.5, 4.0],
            "petal_width": [0.5, 2.0],
            "target": [0, 2],
        }
    )


@pytest.fixture
def preprocessed(iris: pd.DataFrame) -> pd.DataFrame:
    return PreprocessTask.add_area_feature(iris)


@pytest.fixture
def parts(preprocessed: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The rows to train on, to stop by and to test on."""
    return SplitDataTask.split(preprocessed, test_fraction=0.2, valid_fraction=0.2, random_state=42)


@pytest.fixture
def parameters() -> dict[str, Any]:
    """Parameters of a training that takes no time."""
    return {"num_boost_round": 50, "early_stopping_rounds": 10, "learning_rate": 0.1, "seed": 42}


@pytest.fixture
def model(parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame], parameters: dict[str, Any]) -> Booster:
    train, valid, _ = parts
    return TrainTask.fit(train, valid, **parameters)


@pytest.fixture
def reference(model: Booster, parts: tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]) -> Reference:
    """The description of the test rows."""
    train, _, test = parts
    return MakeReferenceTask.make_reference(model, PredTask.predict(model, test), train, test)
