"""Lookups: small tables that preprocessing takes beside the rows, each with a schema of its own."""

import functools
import json
from collections.abc import Callable, Mapping
from typing import Any

import luigi
import pandas as pd

from gokart_pipeline_sample.errors import BadRowsError, SettingError
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.schemas.bad_rows import Breaches, Preprocess, Schema, separate_rows
from gokart_pipeline_sample.pipeline.schemas.base import passing_equal_ids
from gokart_pipeline_sample.pipeline.schemas.feature import FeatureSchema


class LookupsParameter(luigi.DictParameter):
    """Path or URI of each lookup by name, of which the schemas are given; an identity depends on their content only."""

    def __init__(self, **schemas: Schema) -> None:
        super().__init__(default={}, description="Path or URI of each further table for preprocess.")
        self._schemas = schemas

    def serialize(self, x: Mapping[str, str]) -> str:
        """Return the fingerprint of each lookup; raise a SettingError if one is missing or has no schema."""
        if not isinstance(x, Mapping) or x.keys() != self._schemas.keys():
            raise SettingError(f"lookups is {x}, and LOOKUPS in preprocess.py names {[*self._schemas]}: name the same")
        return json.dumps({name: open_table(str(path)).fingerprint[:16] for name, path in sorted(x.items())})

    def bind(self, preprocess: Callable[..., Any], x: Mapping[str, str]) -> Preprocess:
        """Return the function with its lookups; raise a BadRowsError, which names the lookup that breaks its schema."""
        lookups = {}
        for name, schema in self._schemas.items():
            data = open_table(x[name]).read(schema.arrow_schema([*schema.to_schema().columns]))
            lookups[name], found = separate_rows(schema, data)
            if not found.empty:
                breaches = Breaches(schema.id_column()).add(found, data)
                raise BadRowsError(f"the lookup {name} breaks {schema.__name__}: {breaches}")
        return functools.partial(preprocess_rows, functools.partial(preprocess, **lookups))


def preprocess_rows(preprocess: Preprocess, data: pd.DataFrame) -> Any:
    """Preprocess rows, numbered from 0 as a join numbers them; raise a ValueError if not all come back in order."""
    rows, name = data.reset_index(drop=True), FeatureSchema.id_column()
    with passing_equal_ids():
        made = preprocess(rows)
    if not made[name].equals(rows[name]):
        advice = "join with how='left' on a column that has each value once in the lookup"
        raise ValueError(f"preprocess makes {len(made)} rows of {len(rows)}, or moves them: {advice}")
    return made.set_axis(data.index)
