"""The importance of features."""

from typing import Any

import numpy as np
import numpy.typing as npt
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, get_kept, number_categories
from gokart_pipeline_sample.io.threads import count_threads, limit_threads
from gokart_pipeline_sample.pipeline.model.model_input import encode_target, select_features
from gokart_pipeline_sample.pipeline.quality import metrics
from gokart_pipeline_sample.pipeline.quality.kinds import QUALITY
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema

SHUFFLED_FEATURES, SHUFFLED_ROWS = 20, 10_000  # of highest gain: others hardly matter, each shuffle costs a prediction
SHUFFLED_TREES = 30_000_000  # bounds the time: a core predicts about 25,000,000 trees of 31 leaves in a second


def measure_importances(
    model: Booster, test: DataFrame[PreprocessedSchema], permutation_repeats: int, random_state: int
) -> list[metrics.Importance]:
    """Measure the importance of each feature: by its splits, and by the accuracy or R² that is lost if shuffled."""
    from sklearn.frozen import FrozenEstimator
    from sklearn.inspection import permutation_importance

    features, gains = select_features(test, get_kept(model, "fitted_features")), model.feature_importance("gain")
    importances = [
        metrics.Importance(feature=name, gain=float(gain), permutation=None, permutation_std=None)
        for name, gain in zip(features.columns, gains, strict=True)
    ]
    if permutation_repeats:
        shuffled = np.sort(np.argsort(-gains, kind="stable")[:SHUFFLED_FEATURES])
        most_rows = SHUFFLED_TREES // (permutation_repeats * len(shuffled) * max(model.num_trees(), 1))
        sample = features.sample(min(len(test), SHUFFLED_ROWS, most_rows + 1), random_state=random_state).sort_index()
        rows = number_categories(model, sample).to_numpy(dtype=float, copy=True)

        def rate(frozen: Any, values: npt.NDArray[Any], truth: npt.NDArray[Any]) -> float:
            rows[:, shuffled] = values
            return QUALITY.rate(frozen.predict(rows), truth, model)

        with limit_threads(count_threads(cells=features.size)):
            found = permutation_importance(
                FrozenEstimator(model),
                rows[:, shuffled],
                encode_target(PreprocessedSchema, test)[sample.index].to_numpy(),
                scoring=rate,
                n_repeats=permutation_repeats,
                random_state=random_state,
            )
        for number, mean, std in zip(shuffled, found.importances_mean, found.importances_std, strict=True):
            importances[number] |= {"permutation": float(mean), "permutation_std": float(std)}
    return importances
