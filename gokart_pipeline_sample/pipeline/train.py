"""Train the model."""

from __future__ import annotations

import gokart
import luigi
import pandas as pd
import pandera.pandas as pa
from gokart.target import TargetOnKart
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.json_document import JsonProcessor
from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.pipeline.schemas import PreprocessedSchema
from gokart_pipeline_sample.utils.template import GokartTask

LearningCurve = dict[str, dict[str, list[float]]]


class TrainTask(GokartTask[Booster]):
    """Puts out a LightGBM booster that gives each class a probability, and keeps its learning curve beside it."""

    train_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that puts out the PreprocessedSchema frame to learn from.")
    )
    valid_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(
            description="Task that puts out the PreprocessedSchema frame that tells when to stop."
        )
    )
    boosting: luigi.Parameter[str] = luigi.Parameter(default="gbdt", description="LightGBM's boosting.")
    num_leaves: luigi.IntParameter = luigi.IntParameter(default=31, description="Most leaves of a tree.")
    feature_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.5, description="Features a tree may use.")
    bagging_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.5, description="Rows a tree learns from.")
    bagging_freq: luigi.IntParameter = luigi.IntParameter(default=20, description="Rounds until rows are drawn anew.")
    learning_rate: luigi.FloatParameter = luigi.FloatParameter(default=0.05, description="Weight of a new tree.")
    seed: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of all that LightGBM draws.")
    num_boost_round: luigi.IntParameter = luigi.IntParameter(default=5000, description="Most rounds of training.")
    early_stopping_rounds: luigi.IntParameter = luigi.IntParameter(
        default=100, description="Rounds without a lower validation loss after which the training stops."
    )

    def output(self) -> TargetOnKart:
        """Return the model's file, in LightGBM's text format."""
        return self.make_target("TrainTask.txt", processor=LightGBMModelProcessor())

    def make_learning_curve_target(self) -> TargetOnKart:
        """Return the JSON file of the losses: ``{"train": {"multi_logloss": [...]}, "valid": ...}``, one a round."""
        return self.make_target("TrainTask_learning_curve.json", processor=JsonProcessor())

    def complete(self) -> bool:
        """Return whether both the model and its learning curve are there."""
        return super().complete() and self.make_learning_curve_target().exists()

    def run(self) -> None:
        """Train and keep the learning curve, then the model."""
        booster, learning_curve = self.fit(
            self.load(self.train_task), self.load(self.valid_task), **self.plain_parameters()
        )
        self.dump(learning_curve, self.make_learning_curve_target())
        self.dump(booster)

    @staticmethod
    @pa.check_types(lazy=True)
    def fit(
        train: DataFrame[PreprocessedSchema],
        valid: DataFrame[PreprocessedSchema],
        num_boost_round: int,
        early_stopping_rounds: int,
        **parameters: str | float,
    ) -> tuple[Booster, LearningCurve]:
        """Train a multiclass model until the loss on the validation rows stops falling.

        The same rows and parameters give the same model, whatever the number of threads
        (https://lightgbm.readthedocs.io/en/stable/Parameters.html#deterministic).

        Args:
            train: rows to learn from, with their target.
            valid: rows to stop by, with their target.
            num_boost_round: most rounds of training.
            early_stopping_rounds: rounds without a lower validation loss after which the training stops.
            parameters: further parameters of LightGBM.

        Returns:
            The booster, and the loss of each round: ``{"train": {"multi_logloss": [...]}, "valid": ...}``.

        Raises:
            pandera.errors.SchemaErrors: a frame breaks the schema, or its target is missing.
            lightgbm.basic.LightGBMError: LightGBM refuses a parameter.
        """
        import lightgbm as lgb

        def make_dataset(data: pd.DataFrame) -> lgb.Dataset:
            PreprocessedSchema.require_target(data)
            label = pd.Categorical(data[PreprocessedSchema.target_column()], categories=classes).codes
            return lgb.Dataset(data[PreprocessedSchema.feature_columns()], label=label)

        classes = PreprocessedSchema.classes()
        learning_curve: LearningCurve = {}
        train_set = make_dataset(train)
        booster = lgb.train(
            {
                **parameters,
                "objective": "multiclass",
                "num_class": len(classes),
                "metric": "multi_logloss",
                "deterministic": True,
                "force_row_wise": True,
                "verbosity": -1,
            },
            train_set,
            num_boost_round=num_boost_round,
            valid_sets=[train_set, make_dataset(valid)],
            valid_names=["train", "valid"],
            callbacks=[
                lgb.early_stopping(early_stopping_rounds, verbose=False),
                lgb.record_evaluation(learning_curve),
            ],
        )
        return booster, learning_curve
