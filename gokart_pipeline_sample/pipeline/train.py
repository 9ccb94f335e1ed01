"""Train the model."""

from __future__ import annotations

from typing import cast

import gokart
import luigi
import pandera.pandas as pa
from pandera.typing import DataFrame

from gokart_pipeline_sample.io.lightgbm_model import Booster, LightGBMModelProcessor
from gokart_pipeline_sample.io.workspace_target import WorkspaceTarget
from gokart_pipeline_sample.pipeline.schemas.metrics import Losses
from gokart_pipeline_sample.pipeline.schemas.preprocessed import PreprocessedSchema
from gokart_pipeline_sample.utils.progress import showing_progress
from gokart_pipeline_sample.utils.template import GokartTask

FIXED_PARAMETERS: dict[str, str | float] = {
    "objective": "multiclass",
    "metric": "multi_logloss",
    # The same model for any number of threads: https://lightgbm.readthedocs.io/en/stable/Parameters.html#deterministic
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class TrainTask(GokartTask[Booster]):
    """Outputs a LightGBM booster; all its significant parameters except tasks are passed to LightGBM by name."""

    train_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that outputs the training rows.")
    )
    valid_task: gokart.TaskInstanceParameter[gokart.TaskOnKart[DataFrame[PreprocessedSchema]]] = (
        gokart.TaskInstanceParameter(description="Task that outputs the validation rows, for early stopping.")
    )
    boosting: luigi.ChoiceParameter[str] = luigi.ChoiceParameter(
        default="gbdt", choices=["gbdt", "dart", "rf"], description="LightGBM's boosting type."
    )
    num_leaves: luigi.IntParameter = luigi.IntParameter(default=31, description="Maximum leaves per tree.")
    feature_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.5, description="Feature share per tree.")
    bagging_fraction: luigi.FloatParameter = luigi.FloatParameter(default=0.5, description="Row share per tree.")
    bagging_freq: luigi.IntParameter = luigi.IntParameter(default=20, description="Rounds between samples of rows.")
    learning_rate: luigi.FloatParameter = luigi.FloatParameter(default=0.05, description="Shrinkage of each new tree.")
    seed: luigi.IntParameter = luigi.IntParameter(default=42, description="Seed of LightGBM's random draws.")
    num_boost_round: luigi.IntParameter = luigi.IntParameter(default=5000, description="Maximum training rounds.")
    early_stopping_rounds: luigi.IntParameter = luigi.IntParameter(default=100, description="Early stopping patience.")

    def output(self) -> WorkspaceTarget:
        """Return the model's file, in LightGBM's text format."""
        model = cast("WorkspaceTarget", self.make_target("TrainTask.txt", processor=LightGBMModelProcessor()))
        return model.with_companion(self.make_learning_curve_target())

    def make_learning_curve_target(self) -> WorkspaceTarget:
        """Return the JSON file beside the model, with the losses of each round."""
        return cast("WorkspaceTarget", self.make_target("TrainTask_learning_curve.json"))

    def run(self) -> None:
        """Train the model and save it with its learning curve."""
        booster, curve = self.fit(self.load(self.train_task), self.load(self.valid_task), **self.plain_parameters())
        self.dump(curve, self.make_learning_curve_target())
        self.dump(booster)

    @staticmethod
    @pa.check_types(lazy=True)
    def fit(
        train: DataFrame[PreprocessedSchema],
        valid: DataFrame[PreprocessedSchema],
        num_boost_round: int,
        **parameters: str | float,
    ) -> tuple[Booster, Losses]:
        """Train a multiclass model until the loss on the validation rows stops falling.

        Args:
            train: training rows, with their target.
            valid: validation rows for early stopping, with their target.
            num_boost_round: maximum number of training rounds.
            parameters: further parameters of LightGBM.

        Returns:
            The booster, and the losses: ``{"train": {"multi_logloss": [...]}, "valid": ...}``, one per round.

        Raises:
            pandera.errors.SchemaErrors: a frame breaks the schema, or its target is missing.
            lightgbm.basic.LightGBMError: LightGBM refuses a parameter.
        """
        import lightgbm as lgb

        datasets = [
            lgb.Dataset(PreprocessedSchema.select_features(rows), label=PreprocessedSchema.encode_target(rows))
            for rows in (train, valid)
        ]
        parameters |= {**FIXED_PARAMETERS, "num_class": len(PreprocessedSchema.target_classes())}
        curve: Losses = {}
        with showing_progress("trained", num_boost_round, "rounds") as advance:
            callbacks = [lgb.record_evaluation(curve), lambda _: advance(1)]
            names = ["train", "valid"]
            booster = lgb.train(parameters, datasets[0], num_boost_round, datasets, names, callbacks=callbacks)
        return booster, curve
