"""What the schemas of all tables have in common, and what the tasks ask a schema about its columns."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pandera.pandas as pa

# Metadata of the field that names a row. Rows are matched by it, and it is never a feature.
ID = {"role": "id"}
# Metadata of the field that the model predicts. Its isin lists the classes.
TARGET = {"role": "target"}


def column_roles(schema: pa.DataFrameSchema) -> dict[str, str | None]:
    """Return the role of each column, by name: that of ``ID``, of ``TARGET``, or None."""
    return {name: (column.metadata or {}).get("role") for name, column in schema.columns.items()}


class BaseSchema(pa.DataFrameModel):
    """A table as the pipeline expects it: no coercion, no column that is not described.

    A subclass marks its id with ``metadata=ID`` and its target with ``metadata=TARGET``; every other column is a
    feature. The tasks read the columns off the schema and name none themselves.
    """

    class Config:
        coerce = False
        strict = True
        unique_column_names = True

    @classmethod
    def id_column(cls) -> str:
        """Return the name of the column that names a row."""
        return cls._column_of(ID)

    @classmethod
    def target_column(cls) -> str:
        """Return the name of the column that the model predicts."""
        return cls._column_of(TARGET)

    @classmethod
    def feature_columns(cls) -> list[str]:
        """Return the names of the columns that the model learns from, in the order of the schema."""
        return [name for name, role in cls._roles().items() if role is None]

    @classmethod
    def target_classes(cls) -> list[Any]:
        """Return the values that the target can take, sorted: the n-th is the model's class n."""
        (check,) = (check for check in cls.to_schema().columns[cls.target_column()].checks if check.name == "isin")
        return sorted(check.statistics["allowed_values"])

    @classmethod
    def select_features(cls, data: pd.DataFrame) -> pd.DataFrame:
        """Return what the model learns from: the feature columns alone."""
        return data[cls.feature_columns()]

    @classmethod
    def encode_target(cls, data: pd.DataFrame) -> pd.Series[int]:
        """Return what the model predicts: the number of each row's class.

        Raises:
            pandera.errors.SchemaErrors: the target is not there.
        """
        cls.require_target(data)
        return pd.Series(
            pd.Categorical(data[cls.target_column()], categories=cls.target_classes()).codes, index=data.index
        )

    @classmethod
    def require_target(cls, data: pd.DataFrame) -> None:
        """Refuse a table without its target, which the schema leaves optional so that it describes new rows too.

        Args:
            data: a table of this schema.

        Raises:
            pandera.errors.SchemaErrors: the target is not there; the message names it.
        """
        pa.DataFrameSchema({cls.target_column(): pa.Column()}, name=cls.__name__).validate(data, lazy=True)

    @classmethod
    def _column_of(cls, metadata: dict[str, str]) -> str:
        columns = [name for name, role in cls._roles().items() if role == metadata["role"]]
        if len(columns) != 1:
            raise TypeError(
                f"{cls.__name__} needs exactly one field with the metadata {metadata}, it has {len(columns)}"
            )
        return columns[0]

    @classmethod
    def _roles(cls) -> dict[str, str | None]:
        return column_roles(cls.to_schema())
