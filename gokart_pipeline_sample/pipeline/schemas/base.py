"""What the schemas of all tables have in common, and what the tasks ask a schema about its columns."""

from __future__ import annotations

from collections.abc import Collection, Hashable
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
import pandera.pandas as pa
from pandas.api.types import is_object_dtype
from pandera.errors import SchemaErrors

if TYPE_CHECKING:
    import pyarrow

# Metadata of the field that names a row, an int or a text. Rows are matched by it, and it is never a feature.
ID = {"role": "id"}
# Metadata of the field that the model predicts. Its isin lists the classes.
TARGET = {"role": "target"}


# pandera's name of the check that no value occurs twice.
UNIQUENESS = "field_uniqueness"


def get_breaches(error: SchemaErrors) -> pd.DataFrame:
    """Return what rows break, as :meth:`BaseSchema.sift` does.

    Raises:
        pandera.errors.SchemaErrors: it is not about rows.
    """
    cases: pd.DataFrame = error.failure_cases
    if cases["index"].isna().any():
        raise error
    return cases[["index", "column", "check"]].set_axis(["row", "column", "check"], axis="columns")


def column_roles(schema: pa.DataFrameSchema) -> dict[str, str | None]:
    """Return the role of each column, by name: that of ``ID``, of ``TARGET``, or None."""
    return {name: (column.metadata or {}).get("role") for name, column in schema.columns.items()}


class BaseSchema(pa.DataFrameModel):
    """A table as the pipeline expects it: no coercion, no column that is not described.

    A subclass marks its id with ``metadata=ID`` and its target with ``metadata=TARGET``; every other column is a
    feature. A feature of text lists its categories in ``isin``. One that may have no value is ``nullable``, and then a
    float, as pandas has it for numbers. The tasks read the columns off the schema and name none themselves.
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
        return cls._allowed_values(cls.target_column())

    @classmethod
    def new_row_columns(cls) -> list[str]:
        """Return the names of the columns that a row without a target has."""
        return [cls.id_column(), *cls.feature_columns()]

    @classmethod
    def arrow_schema(cls, columns: list[str]) -> pyarrow.Schema:
        """Return what some of the columns are in a file."""
        import pyarrow

        return pyarrow.Schema.from_pandas(cls.empty()[columns], preserve_index=False).remove_metadata()

    @classmethod
    def python_type(cls, column: str) -> type:
        """Return the type that a column is annotated with."""
        return cast("type", cls.__fields__[column][0].arg)

    @classmethod
    def select_features(cls, data: pd.DataFrame) -> pd.DataFrame:
        """Return what the model learns from: the feature columns alone, those of text as categories."""
        features = data[cls.feature_columns()]
        text = features.columns[features.dtypes == "str"]
        categories = {name: pd.CategoricalDtype(cls._allowed_values(name)) for name in text}
        return features.astype(categories)

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
    def sift(cls, data: pd.DataFrame, duplicates: Collection[object] = ()) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Part the rows that keep the schema from those that break it.

        Args:
            data: rows with a unique index. A column in which a value could not be read as its type is of dtype
                ``object``, and has the text of that value.
            duplicates: ids that other rows have too, each of them once; best as an index.

        Returns:
            The rows that keep the schema, in its types, and a frame of what the others break: ``row`` (of the index of
            ``data``), ``column`` and ``check``.

        Raises:
            pandera.errors.SchemaErrors: it is not about rows: a column is missing, for instance.
        """
        readable, breaches = cls.screen(data, duplicates)
        try:
            cls.validate(readable, lazy=True)
        except SchemaErrors as error:
            breaches = pd.concat([breaches, get_breaches(error)])
        breaches = breaches.drop_duplicates().sort_values(["row", "column", "check"])
        return _drop(readable, breaches["row"]), breaches

    @classmethod
    def screen(cls, data: pd.DataFrame, duplicates: Collection[object] = ()) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Find what is wrong with rows before their checks can be asked.

        Args:
            data: see :meth:`sift`.
            duplicates: see :meth:`sift`.

        Returns:
            The rows whose values could be read, in the types of the schema, and a frame as in :meth:`sift`: of values
            that could not be read, infinite numbers and ids that other rows have too.
        """
        readable, unreadable = cls._read(data)
        breaches = [unreadable, cls._find_infinite(readable)]
        if len(duplicates):
            # Not isin, which would hash an index of duplicates anew for each part of a table.
            known = duplicates if isinstance(duplicates, pd.Index) else pd.Index(list(duplicates))
            repeated = data.index[known.get_indexer(pd.Index(data[cls.id_column()])) >= 0]
            breaches.append(_make_breaches(repeated, cls.id_column(), UNIQUENESS))
        return readable, pd.concat(breaches)

    @classmethod
    def readable_ids(cls, data: pd.DataFrame) -> pd.Series[Any]:
        """Return the ids of the rows that have one, of a frame as in :meth:`sift` that needs no other column."""
        return cls._read(data[[cls.id_column()]])[0][cls.id_column()].dropna()

    @classmethod
    def _read(cls, data: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Drop the rows with values that are not of their column's type, or with gaps where the type knows none."""
        dtypes = {str(name): dtype for name, dtype in cls.empty().dtypes.items() if name in data}
        breaches = [_make_breaches(pd.Index([]), "", "")]
        # Other columns have their type already, or the schema is to refuse them.
        untyped = {name: dtype for name, dtype in dtypes.items() if is_object_dtype(data[name])}
        for name, dtype in untyped.items():
            is_text = data[name].map(lambda value: isinstance(value, str))
            breaches.append(_make_breaches(data.index[is_text], name, f"dtype('{dtype}')"))
            if dtype.kind in "biu":
                breaches.append(_make_breaches(data.index[data[name].isna()], name, "not_nullable"))
        unreadable = pd.concat(breaches)
        return _drop(data, unreadable["row"]).astype(untyped), unreadable

    @staticmethod
    def _find_infinite(data: pd.DataFrame) -> pd.DataFrame:
        """Find infinite numbers: an overflow or a division by zero, and greater than any limit."""
        numbers = data.select_dtypes("float")
        return pd.concat(
            [_make_breaches(pd.Index([]), "", "")]
            + [_make_breaches(data.index[np.isinf(numbers[name])], name, "finite") for name in numbers]
        )

    @classmethod
    def _allowed_values(cls, column: str) -> list[Any]:
        checks = [check for check in cls.to_schema().columns[column].checks if check.name == "isin"]
        if len(checks) != 1:
            raise TypeError(f"{cls.__name__} needs an isin for {column}, which lists the values that it can take")
        return sorted(checks[0].statistics["allowed_values"])

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


def _drop(data: pd.DataFrame, rows: pd.Series[Any]) -> pd.DataFrame:
    # pandas copies the whole frame to drop nothing.
    return data if rows.empty else data.drop(index=list(rows), errors="ignore")


def _make_breaches(rows: pd.Index[Any], column: Hashable, check: str) -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "column": column, "check": check})
