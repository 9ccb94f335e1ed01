"""A project whose preprocessing joins a lookup, on which the target depends."""

from __future__ import annotations

import numpy as np
import pandas as pd
from support.checkout import Checkout

PREPROCESS = "gokart_pipeline_sample/pipeline/preprocess.py"
# What a user writes by hand.
FILES = {
    "schemas/weight.py": """
import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, BaseSchema


class WeightSchema(BaseSchema):
    id: Series[int] = pa.Field(unique=True, metadata=ID)
    weight: Series[float] = pa.Field(gt=0)
""",
    "schemas/preprocessed.py": """
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.iris_feature import IrisFeatureSchema


class PreprocessedSchema(IrisFeatureSchema):
    weight: Series[float]
""",
}
OWN = """
    @staticmethod
    @pa.check_types(lazy=True)
    def preprocess(data: DataFrame[IrisFeatureSchema], weights: DataFrame[WeightSchema]):
        return PreprocessedSchema.validate(data.merge(weights, on="id", how="left"), lazy=True)
"""
LOOKUP = ("LookupsParameter()", "LookupsParameter(weights=WeightSchema)")
IMPORT = "from gokart_pipeline_sample.pipeline.schemas.weight import WeightSchema\n"


def weigh(checkout: Checkout) -> None:
    """Let preprocess take the weight of each flower from ``weights.csv``, which lies in the project."""
    pipeline = checkout.directory / "gokart_pipeline_sample" / "pipeline"
    for name, text in FILES.items():
        (pipeline / name).write_text(text)
    checkout.edit(PREPROCESS, *LOOKUP)
    text = (checkout.directory / PREPROCESS).read_text()
    before, _, _ = text.partition("\n    @staticmethod\n")
    (checkout.directory / PREPROCESS).write_text(before.replace("\nLOOKUPS", f"{IMPORT}\nLOOKUPS", 1) + OWN)
    settings = '[gokart_pipeline_sample.PreprocessTask]\nlookups={"weights": "weights.csv"}\n\n[core]'
    checkout.edit("conf/param.ini", "[core]", settings)


def make_weights(table: pd.DataFrame, shift: int) -> pd.DataFrame:
    """Make up weights that tell the classes of a table; another shift gives each class the weight of another one."""
    noise = np.random.default_rng(0).normal(0, 0.5, len(table))
    return pd.DataFrame({"id": table["id"], "weight": 10 + (table["target"] + shift) % 3 + noise})
