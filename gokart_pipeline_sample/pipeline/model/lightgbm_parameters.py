"""Further parameters of LightGBM, checked by name against its own list."""

import ctypes
import functools
import json
import tomllib
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import luigi
from gokart.utils import flatten

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

_LISTED = tomllib.loads(Path(__file__).with_suffix(".toml").read_text("utf-8"))
if PreprocessedSchema.predicts_number():
    del _LISTED["it has no effect on a model of classes"]
REASONS = {name: reason for reason, names in _LISTED.items() for name in names}


class LightGBMParameter(luigi.DictParameter):
    """Parameters of LightGBM by their main names, whatever alias is given, so that equal ones make the same task."""

    def parse(self, x: str) -> Any:
        """Return the dictionary of a text in JSON; raise a SettingError if it is none."""
        try:
            return dict(super().parse(x))  # type: ignore[no-untyped-call]
        except (TypeError, ValueError) as error:
            raise SettingError(f'lightgbm is {x!r}: give a dictionary in JSON, such as {{"lambda_l2": 5}}') from error

    def normalize(self, x: Any) -> Any:
        """Return the dictionary, sorted; raise a SettingError if it names what cannot be set."""
        values: dict[str, Any] = {}
        for given, value in x.items():
            if given not in (names := read_names()):
                near = " or ".join(get_close_matches(given, names, n=2)) or "another name"
                raise SettingError(f"LightGBM has no parameter {given}: did you mean {near}?")
            if reason := REASONS.get(name := names[given]):
                raise SettingError(f"lightgbm cannot have {given}: {reason}")
            if name in values:
                raise SettingError(f"lightgbm has {name} under two names: give it once")
            # LightGBM gets all parameters as one text, and splits it at white space.
            if not all(str(each).split() == [str(each)] and each is not None for each in flatten(value) or [None]):
                raise SettingError(f"lightgbm has {value!r} as {given}: give a number, a word or a list of these")
            values[name] = value
        return super().normalize(dict(sorted(values.items())))  # type: ignore[no-untyped-call]


@functools.cache
def read_names() -> dict[str, str]:
    """Return the main name of each name and alias, from LightGBM's C API, since its import would take a second."""
    package = find_spec("lightgbm")
    (library,) = Path(str(package and package.origin)).parent.glob("lib/lib_lightgbm.*")
    text, size = ctypes.create_string_buffer(2**20), ctypes.c_int64(2**20)  # 50 times as much as there is
    ctypes.CDLL(str(library)).LGBM_DumpParamAliases(size, ctypes.byref(size), text)
    return {alias: name for name, aliases in json.loads(text.value).items() for alias in (name, *aliases)}
