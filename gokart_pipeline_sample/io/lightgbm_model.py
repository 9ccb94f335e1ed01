"""The file format of LightGBM models."""

import json
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from gokart_pipeline_sample.io.file_formats import FormatProcessor
from gokart_pipeline_sample.io.threads import call_interruptibly, count_threads

if TYPE_CHECKING:
    from lightgbm import Booster as Booster
else:
    # pandera evaluates annotations when a function is called, and lightgbm takes a second to import.
    Booster = Any

# LightGBM ignores lines with these names in a model's text; its own line of categories comes after them, as the last
# one. The learning curve is as LightGBM records it: by set of rows and by loss, one value per round.
_KEPT = ("fitted_features", "learning_curve", "decision", "interval", "error_model")
_CATEGORIES = "\npandas_categorical:"


class LightGBMModelProcessor(FormatProcessor):
    """A booster in LightGBM's text format, which LightGBM also reads; lines of JSON have the rest that it keeps."""

    content_type = "text/plain; charset=utf-8"

    def serialize(self, obj: Booster) -> bytes:
        """Return the text of the trees up to the best iteration."""
        trees, mark, categories = obj.model_to_string().rpartition(_CATEGORIES)
        kept = {name: value for name in _KEPT if (value := vars(obj).get(name))}
        lines = "".join(f"\n{name}:{json.dumps(value, allow_nan=False)}" for name, value in kept.items())
        return f"{trees}{lines}{mark}{categories}".encode()

    def deserialize(self, content: bytes) -> Booster:
        """Return the booster."""
        import lightgbm

        text = content.decode()
        booster = lightgbm.Booster(model_str=text)
        lines = re.findall(f"^({'|'.join(_KEPT)}):(.*)$", text.rpartition(_CATEGORIES)[0], re.MULTILINE)
        vars(booster).update({name: json.loads(value) for name, value in lines})
        return booster


def get_kept(model: Booster, name: str) -> Any:
    """Return what a model keeps under a name; an empty dictionary if it keeps nothing."""
    return vars(model).get(name, {})


def keep(model: Booster, name: str, value: Any) -> None:
    """Keep a value that JSON can represent with a model, also in its file, under a name of ``_KEPT``."""
    vars(model)[name] = value


def get_categories(model: Booster, features: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the categories that a model knows, by feature; it takes all others for missing values."""
    names = features.columns[features.dtypes == "category"]
    return dict(zip(names, model.pandas_categorical or [], strict=True))


def number_categories(model: Booster, features: pd.DataFrame) -> pd.DataFrame:
    """Return features with categories as the numbers that LightGBM makes of them; NaN for those it does not know."""
    codes = {
        name: features[name].cat.set_categories(known).cat.codes.astype(float).replace(-1.0, np.nan)
        for name, known in get_categories(model, features).items()
    }
    return features.assign(**codes) if codes else features


def predict_raw(model: Booster, features: pd.DataFrame, threads: int = 0) -> npt.NDArray[np.float64]:
    """Return the probability of each class (in columns), or the number, row by row; LightGBM refuses no rows."""
    if features.empty:
        return np.empty((0, model.num_model_per_iteration()))
    return np.asarray(call_interruptibly(count_threads(threads), model.predict, features))


def predict_contributions(model: Booster, features: pd.DataFrame, decided: Any, threads: int = 0) -> Any:
    """Return how much each feature adds to the raw score of the class decided for a row, or of the only one.

    The last column is the score that is expected without features. These are SHAP values of trees (Lundberg et al.,
    Consistent Individualized Feature Attribution for Tree Ensembles, 2018).
    """
    width, classes = features.shape[1] + 1, model.num_model_per_iteration()
    found, step = np.empty((len(features), width)), 4_000_000 // (width * classes) + 1  # 32 MB at a time
    for rows in (slice(start, start + step) for start in range(0, len(features), step)):
        every = call_interruptibly(count_threads(threads), model.predict, features.iloc[rows], pred_contrib=True)
        by_class = np.asarray(every).reshape(-1, classes, width)
        found[rows] = by_class[np.arange(len(by_class)), decided.iloc[rows] if classes > 1 else 0]
    return found


def count_leaves(text: str) -> list[int]:
    """Return the number of leaves of each tree of a model's text."""
    return [int(count) for count in re.findall(r"^num_leaves=(\d+)$", text, re.MULTILINE)]
