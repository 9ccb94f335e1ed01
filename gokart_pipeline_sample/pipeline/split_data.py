"""Split the rows."""

import hashlib
from typing import Any, TypeAlias, cast

import luigi
import numpy as np
import numpy.typing as npt
import pandas as pd
import pandera.pandas as pa
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import TaskParameter
from gokart_pipeline_sample.utils.shown_task import ShownTask

# Not from the modules of the model: a new version of LightGBM need not split the rows again.
Rows: TypeAlias = DataFrame[PreprocessedSchema]


class SplitDataTask(ShownTask[dict[str, Rows]]):
    """Outputs three ``PreprocessedSchema`` frames with their target: ``train``, ``valid`` and ``test``."""

    document = "sizes"

    data_task: TaskParameter[Rows] = TaskParameter("Outputs the rows to split.")
    test_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.2, description="Share of all rows for tests.")
    valid_fraction: luigi.FloatParameter = luigi.FloatParameter(
        default=0.2, description="Share of the other rows for early stopping."
    )
    random_state: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of the shuffling.")
    split_by: luigi.Parameter[str] = luigi.Parameter(
        default="random", description="random; id: rows keep their part; or a column of time: the latest are tests."
    )

    def output(self) -> FlattenableItems[TargetOnKart]:
        """Return a Parquet file for each of the three frames."""
        return {name: self.make_target(f"SplitDataTask_{name}.parquet") for name in ("train", "valid", "test")}

    def load_document(self) -> dict[str, int]:
        """Return the number of rows of each part."""
        parts = cast("dict[str, TargetOnKart]", self.output()).items()
        return {name: sum(footer.num_rows for footer in open_table(part.path()).footers) for name, part in parts}

    def run(self) -> None:
        """Split the frame and save the parts."""
        parts = self.split(self.load(self.data_task), **self.plain_parameters())
        for name, part in zip(("train", "valid", "test"), parts, strict=True):
            self.dump(part, name)

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def split(
        data: Rows, test_fraction: float, valid_fraction: float, random_state: int, split_by: str = "random"
    ) -> tuple[Rows, Rows, Rows]:
        """Assign each row to exactly one of the parts ``train``, ``valid`` and ``test``, each with a new index.

        With "id", the parts have about the size asked for, and depend on the id alone; with a column, its greatest
        values are the test part and the next ones the validation part. Equal values and groups stay together. Raise a
        ValueError if a fraction leaves a part without rows, or rows cannot be split by that column.
        """
        from sklearn.model_selection import train_test_split

        PreprocessedSchema.require_target(data)
        group = PreprocessedSchema.group_column()
        if split_by == "random" and not group:
            # Numbers of rows, so that each row is copied once.
            rest, last = train_test_split(np.arange(len(data)), test_size=test_fraction, random_state=random_state)
            first, middle = train_test_split(rest, test_size=valid_fraction, random_state=random_state)
        else:
            order = SplitDataTask.order_rows(data, split_by, random_state)
            first, middle, last = SplitDataTask.divide(order, test_fraction, valid_fraction)
            if not all(map(len, (first, middle, last))):
                sizes = f"{len(first)} training, {len(middle)} validation and {len(last)} test rows"
                if group:
                    sizes += f", as rows of a {group} stay together (add some to its {data[group].nunique()} values)"
                raise ValueError(f"split_by={split_by} gives {sizes}: change test_fraction and valid_fraction")
        train, valid, test = (data.take(rows).reset_index(drop=True) for rows in (first, middle, last))
        return train, valid, test

    @staticmethod
    def divide(order: npt.NDArray[Any], test_fraction: float, valid_fraction: float) -> list[npt.NDArray[np.intp]]:
        """Return the numbers of the training, validation and test rows; see :meth:`order_rows`."""
        parts = np.searchsorted([(1 - test_fraction) * (1 - valid_fraction), 1 - test_fraction], order)
        return [np.flatnonzero(parts == part) for part in range(3)]

    @staticmethod
    def order_rows(data: Rows, split_by: str, random_state: int) -> npt.NDArray[Any]:
        """Return a number from 0 to 1 for each row, so that a share of all rows is above any bound.

        By id, it is a hash of the id or group, which no other row changes; "random" ranks it. By a column, it is the
        share of the rows with at most this value, or of groups without a later one. A column that is not there, has no
        order or lacks a value raises a ValueError.
        """
        group = PreprocessedSchema.group_column()
        if split_by in ("random", "id"):
            codes, keys = pd.factorize(data[group or PreprocessedSchema.id_column()])
            digests = (hashlib.blake2b(f"{random_state}/{each}".encode(), digest_size=7).digest() for each in keys)
            hashes = np.array([int.from_bytes(digest) / 2**56 for digest in digests])[codes]
            return hashes if split_by == "id" else pd.Series(hashes).rank(method="max", pct=True).to_numpy()
        others = data.drop(columns=[PreprocessedSchema.id_column(), PreprocessedSchema.target_column()])
        ordered = others.select_dtypes(["number", "datetime"]).columns
        if split_by not in ordered:
            columns = ", ".join(ordered)
            raise ValueError(f"split_by is {split_by!r}: give random, id or a column with an order ({columns})")
        if missing := data[split_by].isna().sum():
            raise ValueError(f"split_by: {split_by} is missing in {missing} rows: reject or fill them")
        values = data.groupby(group)[split_by].transform("max") if group else data[split_by]
        return values.rank(method="max", pct=True).to_numpy()
