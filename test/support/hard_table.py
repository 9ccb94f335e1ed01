"""A table that is hard on a pipeline: of all types, with odd names, many categories, rare classes, holes and a leak."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

LEVELS = 3000
NOISE = [f"noise {number}" for number in range(34)]
INFINITE_ROWS = 5
# What a user writes by hand for this table; the model must not see the leak, which new rows lack.
FILES = {
    "schemas/order.py": f"""
import pandas as pd
import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.schemas.base import ID, KEEP, TARGET, BaseSchema


class OrderSchema(BaseSchema):
    order: Series[str] = pa.Field(unique=True, metadata=ID, alias="order no.")
    day: Series[pd.Timestamp] = pa.Field(metadata=KEEP, alias="order day")
    paid: Series[pd.Timestamp] = pa.Field(nullable=True, alias="paid at")
    city: Series[str] = pa.Field(nullable=True, alias="市区町村")
    country: Series[str] = pa.Field(isin=["DE", "FR", "JP", "US"])
    new: Series[bool] = pa.Field(alias="is new?")
    insured: Series[pd.BooleanDtype] = pa.Field(nullable=True, alias="保険")
    items: Series[int] = pa.Field(ge=1)
    age: Series[pd.Int64Dtype] = pa.Field(nullable=True, alias='age: "years"')
    price: Series[float] = pa.Field(gt=0, alias="price [€]")
    ratio: Series[float]
    constant: Series[int]
    rare: Series[float] = pa.Field(nullable=True, alias="rarely known")
{"".join(f"    n{place}: Series[float] = pa.Field(alias={name!r})" + chr(10) for place, name in enumerate(NOISE))}\
    leak: Series[float] | None = pa.Field(metadata=KEEP, alias="a leak")
    kind: Series[str] | None = pa.Field(isin=["regular", "late", "fraud"], metadata=TARGET)
""",
    "schemas/feature.py": """
from gokart_pipeline_sample.pipeline.schemas.order import OrderSchema as FeatureSchema

__all__ = ["FeatureSchema"]
""",
    "schemas/preprocessed.py": """
from gokart_pipeline_sample.pipeline.schemas.order import OrderSchema


class PreprocessedSchema(OrderSchema):
    pass
""",
    "preprocess.py": """
import gokart
from pandera.typing import DataFrame

from gokart_pipeline_sample.pipeline.schemas.lookups import LookupsParameter
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask

LOOKUPS = LookupsParameter()


class PreprocessTask(GokartTask[DataFrame[PreprocessedSchema]]):
    data_task = gokart.TaskInstanceParameter()
    lookups = LOOKUPS

    def run(self):
        self.dump(LOOKUPS.bind(self.preprocess, self.lookups)(self.load(self.data_task)))

    @staticmethod
    def preprocess(data):
        return PreprocessedSchema.validate(data, lazy=True)
""",
}
# How frequent each city is, and a median, both among the training rows.
FITTED_FEATURES = """
import pandera.pandas as pa
from pandera.typing import Series

from gokart_pipeline_sample.pipeline.fitted_features import FittedFeatures
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema


class ModelInputSchema(PreprocessedSchema):
    city_share: Series[float] = pa.Field(ge=0, le=1)
    age_filled: Series[float]


def fit(train):
    shares = train["市区町村"].value_counts(normalize=True)
    return {"shares": shares.to_dict(), "age": float(train['age: "years"'].median())}


def add(data, fitted):
    return data.assign(
        city_share=data["市区町村"].map(fitted["shares"]).astype(float).fillna(0.0),
        age_filled=data['age: "years"'].astype(float).fillna(fitted["age"]),
    )


FITTED_FEATURES = FittedFeatures(fit, add, ModelInputSchema)
"""


def make_orders(rows: int, *, labelled: bool) -> pd.DataFrame:
    """Make up orders: labelled ones to train on, or new ones, of which a quarter come from cities that are new."""
    generator = np.random.default_rng(rows)
    levels = LEVELS if labelled else LEVELS * 4 // 3
    city = generator.integers(0, levels, rows)
    price = generator.lognormal(4, 1, rows).round(2) + 0.01
    items = generator.integers(1, 20, rows)
    # Even where frauds are frequent most orders are none: guessing the most frequent class finds none of them.
    fraud = generator.random(rows) < np.where((price > 150) & (items < 6), 0.4, 0.003)
    late = generator.random(rows) < np.where(price > 120, 0.2, 0.05)
    kind = np.select([fraud, late], ["fraud", "late"], "regular")
    day = pd.Timestamp("2024-01-01") + pd.to_timedelta(generator.integers(0, 700, rows), unit="D")
    hole = {name: generator.random(rows) < share for name, share in (("paid", 0.3), ("city", 0.02), ("age", 0.2))}
    ratio = generator.normal(size=rows).round(6)
    if labelled:
        ratio[generator.choice(rows, INFINITE_ROWS, replace=False)] = np.inf
    data = pd.DataFrame(
        {
            "order no.": [f"{'A' if labelled else 'B'}-{number:07d}" for number in generator.permutation(rows)],
            "order day": day,
            "paid at": pd.Series(day + pd.to_timedelta(generator.integers(0, 90_000, rows), unit="s")).mask(
                hole["paid"]
            ),
            "市区町村": pd.Series([f"市 {number:04d}" for number in city], dtype="str").mask(hole["city"]),
            "country": generator.choice(["DE", "FR", "JP", "US"], rows),
            "is new?": generator.random(rows) < 0.2,
            "保険": pd.Series(generator.random(rows) < 0.5, dtype="boolean").mask(hole["age"]),
            "items": items,
            'age: "years"': pd.Series(generator.integers(18, 90, rows), dtype="Int64").mask(hole["age"]),
            "price [€]": price,
            "ratio": ratio,
            "constant": 7,
            "rarely known": pd.Series(generator.normal(size=rows)).round(6).mask(generator.random(rows) < 0.9),
            **{name: generator.normal(size=rows).round(6) for name in NOISE},
            "a leak": pd.Series(kind).map({"regular": 0.0, "late": 1.0, "fraud": 2.0}) + price / 1e6,
            "kind": kind,
        }
    )
    return data if labelled else data.drop(columns=["kind", "a leak"])


def write(data: pd.DataFrame, path: Path) -> None:
    """Write orders as Parquet, with dates, decimals and narrow types, or as CSV."""
    schema = pa.Schema.from_pandas(data, preserve_index=False)
    for name, arrow_type in {
        "order day": pa.date32(),
        "paid at": pa.timestamp("ms", tz="Asia/Tokyo"),
        "items": pa.int8(),
        "price [€]": pa.decimal128(12, 2),
        "市区町村": pa.dictionary(pa.int32(), pa.string()),
    }.items():
        schema = schema.set(schema.get_field_index(name), pa.field(name, arrow_type))
    if path.suffix == ".parquet":
        prices = [f"{price:.2f}" for price in data["price [€]"]]
        price_column = pa.array(prices).cast(pa.decimal128(12, 2))
        table = pa.Table.from_pandas(data, preserve_index=False)
        table = table.set_column(table.schema.get_field_index("price [€]"), "price [€]", price_column)
        pq.write_table(table.cast(schema), path)
    else:
        data.to_csv(path, index=False)
