"""The base of all schemas, from which tasks get the names of columns instead of hard-coding them."""

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, cast

import numpy as np
import pandas as pd
import pandera.dtypes
import pandera.pandas as pa
import pyarrow

from gokart_pipeline_sample.errors import SchemaDefinitionError
from gokart_pipeline_sample.io.tables.casts import LISTED, MISSING
from gokart_pipeline_sample.pipeline.schemas.column_types import find_isin, find_problem, name_type

ID = {"role": "id"}  # metadata of the field that identifies a row, an int or a str, and is never a feature
TARGET = {"role": "target"}  # metadata of the field that the model predicts: a number, or a class that its isin lists
KEEP = {"role": "kept"}  # metadata of a field that is carried along, and no feature; new rows may lack an optional one
GROUP = {"role": "group"}  # metadata of an int or str, such as a customer: kept, too, and its rows are split together
# Infinity comes from an overflow or a division by zero, and may pass checks such as gt=0.
FINITE = pa.Check(lambda values: ~np.isinf(values), name="finite", ignore_na=False)

_comparing_ids = ContextVar("_comparing_ids", default=True)


@contextmanager
def passing_equal_ids() -> Iterator[None]:
    """Let all schemas pass equal ids: for chunks of a table whose ids are compared once, over the whole table."""
    token = _comparing_ids.set(False)
    try:
        yield
    finally:
        _comparing_ids.reset(token)


def column_roles(schema: pa.DataFrameSchema) -> dict[str, str]:
    """Return the role of each column by name: that of ``ID``, ``TARGET``, ``KEEP``, ``GROUP``, or "feature"."""
    return {name: (column.metadata or {}).get("role", "feature") for name, column in schema.columns.items()}


class BaseSchema(pa.DataFrameModel):
    """A table as the pipeline expects it: without type coercion and without undeclared columns.

    A subclass marks its id with ``metadata=ID``, its target with ``metadata=TARGET``, and with ``metadata=KEEP`` what
    is only carried along, to split the rows by or to publish, or with ``metadata=GROUP``, on one column at most, to
    split them together; every other column is a feature. Text is a category: ``isin`` closes the list of values, and
    without it the model learns those of the training rows. A feature that may be missing is ``nullable``. The
    definition of a subclass with types other than those of :mod:`column_types` raises a SchemaDefinitionError.
    """

    class Config:
        coerce = False
        strict = True
        unique_column_names = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)  # type: ignore[no-untyped-call]
        columns = cls.to_schema().columns
        problems = [problem for name, column in columns.items() if (problem := find_problem(name, column))]
        if problems:
            raise SchemaDefinitionError(f"{cls.__name__}: {'; '.join(problems)}")
        cls.group_column()

    @classmethod
    def to_schema(cls) -> pa.DataFrameSchema:
        """Return pandera's schema, with the check that all floats are finite or null."""
        schema: pa.DataFrameSchema = super().to_schema()
        for column in schema.columns.values():
            checked = {check.name for check in column.checks} & {FINITE.name, "in_range"}
            if isinstance(column.dtype, pandera.dtypes.Float) and not checked:
                column.checks.append(FINITE)
        if _comparing_ids.get():
            return schema
        ids = {name: {"unique": False} for name, role in column_roles(schema).items() if role == ID["role"]}
        return schema.update_columns(ids)

    @classmethod
    def id_column(cls) -> str:
        """Return the name of the column that identifies a row."""
        return cls._column_of(ID)

    @classmethod
    def target_column(cls) -> str:
        """Return the name of the column that the model predicts."""
        return cls._column_of(TARGET)

    @classmethod
    def group_column(cls) -> str | None:
        """Return the name of the column whose equal values keep rows together, if there is one."""
        return cls._column_of(GROUP) if GROUP["role"] in column_roles(cls.to_schema()).values() else None

    @classmethod
    def feature_columns(cls) -> list[str]:
        """Return the names of the columns that the model learns from, in the order of the schema."""
        return [name for name, role in column_roles(cls.to_schema()).items() if role == "feature"]

    @classmethod
    def target_classes(cls) -> list[Any]:
        """Return the values that the target can take, sorted: the n-th is the model's class n; none for a number."""
        return find_isin(cls.to_schema().columns[cls.target_column()])

    @classmethod
    def predicts_number(cls) -> bool:
        """Return whether the target is a number, and no class that its ``isin`` lists."""
        return not cls.target_classes()

    @classmethod
    def target_unit(cls) -> str:
        """Return the unit of a target that is a number, if its metadata names it: ``TARGET | {"unit": "kg"}``."""
        return str((cls.to_schema().columns[cls.target_column()].metadata or {}).get("unit", ""))

    @classmethod
    def new_row_columns(cls) -> list[str]:
        """Return the names of the columns of a new row, which has no target and nothing else that is optional."""
        schema = cls.to_schema()
        kept = [name for name, role in column_roles(schema).items() if role in (KEEP["role"], GROUP["role"])]
        return [cls.id_column(), *cls.feature_columns(), *(name for name in kept if schema.columns[name].required)]

    @classmethod
    def arrow_schema(cls, columns: list[str]) -> pyarrow.Schema:
        """Return the Arrow types of the given columns, with the words that their ``isin`` lists as ``LISTED``."""
        schema = pyarrow.Schema.from_pandas(cls.empty()[columns], preserve_index=False).remove_metadata()
        for number, name in enumerate(columns):
            if words := sorted({*MISSING} & {*find_isin(cls.to_schema().columns[name])}):
                schema = schema.set(number, schema.field(name).with_metadata({LISTED: ",".join(words)}))
        return schema

    @classmethod
    @functools.cache
    def new_row_schema(cls) -> pyarrow.Schema:
        """Return the Arrow types of a row without a target."""
        return cls.arrow_schema(cls.new_row_columns())

    @classmethod
    def python_type(cls, column: str) -> type:
        """Return the type that a column is annotated with."""
        return cast("type", cls.__fields__[column][0].arg)

    @classmethod
    def open_text_columns(cls) -> list[str]:
        """Return the names of the text features whose values the schema does not list."""
        features = [cls.to_schema().columns[name] for name in cls.feature_columns()]
        return [str(each.name) for each in features if name_type(each) == "str" and not find_isin(each)]

    @classmethod
    def require_target(cls, data: pd.DataFrame) -> None:
        """Raise a SchemaErrors if a table lacks its target, which is optional so that a schema describes new rows."""
        schema = pa.DataFrameSchema({cls.target_column(): pa.Column()}, name=cls.__name__)
        schema.validate(data, lazy=True, inplace=True)

    @classmethod
    def _column_of(cls, metadata: dict[str, str]) -> str:
        names = [name for name, role in column_roles(cls.to_schema()).items() if role == metadata["role"]]
        if len(names) != 1:
            raise SchemaDefinitionError(f"{cls.__name__} needs exactly one field with {metadata}, it has {len(names)}")
        return names[0]
