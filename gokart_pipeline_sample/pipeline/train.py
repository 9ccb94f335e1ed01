"""Train the model."""

import json
from typing import Any

import gokart
import luigi
import numpy as np
import pandera.pandas as pa
from gokart.target import TargetOnKart
from gokart.utils import FlattenableItems
from luigi.freezing import recursively_unfreeze

from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor, keep
from gokart_pipeline_sample.pipeline.fitted_features import FITTED_FEATURES
from gokart_pipeline_sample.pipeline.model.boosting import boost, make_datasets
from gokart_pipeline_sample.pipeline.model.decision import ARGMAX, DecisionParameter
from gokart_pipeline_sample.pipeline.model.lightgbm_parameters import LightGBMParameter
from gokart_pipeline_sample.pipeline.model.model_input import Rows, encode_target, select_features
from gokart_pipeline_sample.pipeline.model.target import TARGET, ObjectiveParameter
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.parameters import PREDICTOR, ShareParameter, TaskParameter, share
from gokart_pipeline_sample.utils.template import GokartTask


class TrainTask(GokartTask[Booster]):
    """Outputs a LightGBM booster, with its learning curve and the fitted features that it needs."""

    train_task: TaskParameter[Rows] = TaskParameter("Outputs the training rows.")
    valid_task: TaskParameter[Rows] = TaskParameter("Outputs the validation rows.")
    objective: luigi.Parameter[str] = ObjectiveParameter(
        default=TARGET.objectives[0], description="LightGBM's objective; it has to fit the target."
    )
    boosting: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="gbdt", choices=["gbdt", "dart", "rf"], description="LightGBM's boosting type."
    )
    num_leaves: luigi.IntParameter = luigi.IntParameter(default=31, description="Maximum leaves per tree.")
    feature_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.5, description="Feature share per tree.")
    bagging_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.5, description="Row share per tree.")
    bagging_freq: luigi.IntParameter = luigi.IntParameter(default=20, description="Rounds between samples of rows.")
    min_sum_hessian_in_leaf: luigi.FloatParameter = luigi.FloatParameter(default=0.1, description="Bounds leaf values.")
    learning_rate: luigi.FloatParameter = luigi.FloatParameter(default=0.05, description="Shrinkage of each new tree.")
    seed: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of LightGBM's random draws.")
    num_boost_round: luigi.IntParameter = luigi.IntParameter(default=5000, description="Maximum training rounds.")
    early_stopping_rounds: luigi.IntParameter = luigi.IntParameter(default=100, description="Early stopping patience.")
    lightgbm: LightGBMParameter = LightGBMParameter(default={}, description='Further parameters, as {"lambda_l2": 5}.')
    class_weight: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="none", choices=["none", "balanced"], description="Whether all classes get the same total weight."
    )
    interval: ShareParameter = ShareParameter(default=0.0, description="Share of rows from pred_low to pred_high.")
    decision = share(DecisionParameter(ARGMAX, description="See PredTask."), PREDICTOR, "decision")
    threads: luigi.NumericalParameter[int] = luigi.NumericalParameter(
        default=0, var_type=int, min_value=0, max_value=4096, significant=False, description="Threads; 0: what is best."
    )
    after: gokart.ListTaskInstanceParameter[gokart.TaskOnKart[Any]] = gokart.ListTaskInstanceParameter(
        default=[], significant=False, description="Tasks to wait for, which do not change the model."
    )

    def requires(self) -> FlattenableItems[gokart.TaskOnKart[Any]]:
        """Require the rows, and wait for the other tasks."""
        after = [task.clone(significant=False) for task in self.after]
        return {"train": self.train_task, "valid": self.valid_task, "after": after}

    def output(self) -> TargetOnKart:
        """Return the model's file, in LightGBM's text format, which also keeps the learning curve."""
        return self.make_target("TrainTask.txt", processor=LightGBMModelProcessor())

    def run(self) -> None:
        """Train the model and save it."""
        train, valid = self.load("train"), self.load("valid")
        parameters = {**self.plain_parameters(), "threads": self.threads}
        parameters |= recursively_unfreeze(parameters.pop("lightgbm"))
        self.dump(self.fit(train, valid, **parameters))

    @staticmethod
    @pa.check_types(lazy=True, inplace=True)
    def fit(
        train: Rows,
        valid: Rows,
        num_boost_round: int,
        class_weight: str = "none",
        decision: str = ARGMAX,
        interval: float = 0.0,
        **parameters: Any,
    ) -> Booster:
        """Train a model until the loss on the validation rows stops falling; all rows have their target.

        The booster keeps what ``FITTED_FEATURES`` know of the training rows, what ``TARGET.calibrate`` takes from the
        validation rows, and its learning curve, a loss per round: ``{"train": {"multi_logloss": [...]}, "valid": …}``.
        Further parameters are ``threads`` and LightGBM's own.

        Raise a SettingError if a parameter does not fit the kind of the target, or LightGBM refuses its value; a
        ValueError if the target does not fit the objective, or the validation rows the decision or the interval; a
        LightGBMError if LightGBM refuses something else.
        """
        # As it will be read from the model's file: JSON makes text of the keys of a dictionary.
        fitted = json.loads(json.dumps(FITTED_FEATURES.fit(train) if FITTED_FEATURES else {}))
        datasets = make_datasets(train, valid, fitted, class_weight)
        for dataset in datasets:
            TARGET.check(np.asarray(dataset.label), parameters.setdefault("objective", TARGET.objectives[0]))
        booster = boost(*datasets, num_boost_round, parameters)
        keep(booster, "fitted_features", fitted)
        if PreprocessedSchema.predicts_number() or decision != ARGMAX or interval:
            features, target = select_features(valid, fitted), encode_target(PreprocessedSchema, valid).to_numpy()
            TARGET.calibrate(booster, features, target, decision, interval)
        return booster
