from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pandas as pd
import pytest
from gokart.utils import flatten
from luigi.cmdline_parser import CmdlineParser
from luigi.freezing import recursively_unfreeze
from support.checkout import PROJECT

from gokart_pipeline_sample.errors import SettingError
from gokart_pipeline_sample.io.compiled_model import Engine
from gokart_pipeline_sample.io.lightgbm_model import LightGBMModelProcessor
from gokart_pipeline_sample.pipeline.distributed.train_ranks import TrainRanksTask
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.model.lightgbm_parameters import REASONS, LightGBMParameter, read_names
from gokart_pipeline_sample.pipeline.model.model_input import select_features
from gokart_pipeline_sample.pipeline.train import TrainTask

Parts = tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]


def make(lightgbm: dict[str, Any]) -> TrainTask:
    return TrainTask(train_task=LoadDataTask(), valid_task=LoadDataTask(), lightgbm=lightgbm)


class TestLightGBMParameter:
    def test_an_alias_makes_the_same_task_in_any_order(self) -> None:
        tasks = [make({"reg_lambda": 5, "max_depth": 3}), make({"max_depth": 3, "lambda_l2": 5})]
        assert tasks[0].lightgbm == {"lambda_l2": 5, "max_depth": 3}
        assert len({task.make_unique_id() for task in tasks}) == 1
        assert len({task.task_id for task in tasks}) == 1

    def test_another_value_makes_another_task(self) -> None:
        assert len({make(given).make_unique_id() for given in ({}, {"lambda_l2": 1}, {"lambda_l2": 2})}) == 3

    def test_reads_json(self) -> None:
        parameter = LightGBMParameter()
        read = parameter.normalize(parameter.parse('{"interaction_constraints": [[0, 1], [2]], "lambda": 0.5}'))
        assert json.loads(parameter.serialize(read)) == {"interaction_constraints": [[0, 1], [2]], "lambda_l2": 0.5}
        assert parameter.normalize(read) == read

    @pytest.mark.parametrize("text", ["lambda_l2=5", "[1]", "5", "", "{"])
    def test_refuses_what_is_no_dictionary(self, text: str) -> None:
        with pytest.raises(SettingError, match=r'give a dictionary in JSON, such as {"lambda_l2": 5}'):
            LightGBMParameter().parse(text)

    @pytest.mark.parametrize(
        ("given", "problem"),
        [
            ({"lamda_l2": 5}, "LightGBM has no parameter lamda_l2: did you mean lambda_l2 or lambda_l1?"),
            ({"zzz": 5}, "LightGBM has no parameter zzz: did you mean another name?"),
            ({"eta": 0.1}, "lightgbm cannot have eta: set learning_rate of TrainTask"),
            ({"n_jobs": 2}, "lightgbm cannot have n_jobs: set threads of TrainTask"),
            ({"n_estimators": 2}, "lightgbm cannot have n_estimators: set num_boost_round of TrainTask"),
            ({"objective": "binary"}, "lightgbm cannot have objective: set objective of TrainTask"),
            ({"num_classes": 2}, "lightgbm cannot have num_classes: the schema decides it"),
            ({"tweedie_variance_power": 1.2}, "lightgbm cannot have tweedie_variance_power: it has no effect on"),
            ({"sigmoid": 2.0}, "lightgbm cannot have sigmoid: it has no effect on this model"),
            ({"forced_splits": "f"}, "lightgbm cannot have forced_splits: its file would be no part of the identity"),
            ({"use_quantized_grad": True}, "lightgbm cannot have use_quantized_grad: the model would depend on the nu"),
            ({"lambda": 1, "reg_lambda": 2}, "lightgbm has lambda_l2 under two names: give it once"),
            ({"lambda_l2": None}, "lightgbm has None as lambda_l2: give a number, a word or a list of these"),
            ({"max_bin_by_feature": []}, "lightgbm has [] as max_bin_by_feature: give"),
            ({"lambda_l2": "1 output_model=x"}, "lightgbm has '1 output_model=x' as lambda_l2: give"),
            ({"feature_contri": [1, "1\noutput_model=x"]}, "lightgbm has [1, '1\\noutput_model=x'] as feature_contri"),
        ],
    )
    def test_refuses_what_cannot_be_set(self, given: dict[str, Any], problem: str) -> None:
        with pytest.raises(SettingError, match=f"^{re.escape(problem)}"):
            make(given)

    def test_names_are_those_of_lightgbm(self) -> None:
        assert REASONS.keys() <= set(read_names().values())

    def test_all_parameters_of_the_task_are_set_there(self) -> None:
        for name in make({}).plain_parameters().keys() - {"lightgbm", "class_weight", "decision", "interval"}:
            assert REASONS[read_names()[name]] == f"set {name} of TrainTask"

    def test_does_not_import_lightgbm(self) -> None:
        code = (
            "import sys; from gokart_pipeline_sample.pipeline.train import TrainTask; "
            "TrainTask.lightgbm.normalize({'reg_lambda': 5}); print('lightgbm' in sys.modules)"
        )
        assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout == b"False\n"


class TestTraining:
    @pytest.mark.parametrize(
        "lightgbm",
        [
            {"lambda_l2": 5},
            {"extra_trees": True, "max_bin": 15},
            {"interaction_constraints": [[0, 1], [2, 3, 4]]},
            {"monotone_constraints": [1, 0, -1, 0, 0]},
            {"data_sample_strategy": "goss", "zero_as_missing": True},
            {"linear_tree": True},
        ],
    )
    def test_all_engines_predict_what_was_trained(
        self, parts: Parts, parameters: dict[str, Any], lightgbm: dict[str, Any]
    ) -> None:
        train, valid, test = parts
        parameters |= {"bagging_freq": 0, **recursively_unfreeze(make(lightgbm).lightgbm)}
        models = [TrainTask.fit(train, valid, threads=threads, **parameters) for threads in (1, 2)]
        assert models[0].model_to_string() == models[1].model_to_string()
        features = select_features(test, {})
        expected = models[0].predict(features).tobytes()
        model = LightGBMModelProcessor().deserialize(LightGBMModelProcessor().serialize(models[0]))
        for engine in ("lightgbm", "interpreted"):
            assert Engine(model, [engine, "lightgbm"]).predict(features, "seed").tobytes() == expected

    def test_ranks_get_them_one_by_one(self) -> None:
        given = '{"interaction_constraints": [[0, 1], [2, 3, 4]], "reg_lambda": 5}'
        options = (
            "--gokart-pipeline-sample.UploadS3Task-bucket=b",
            f"--gokart-pipeline-sample.TrainTask-lightgbm={given}",
        )
        table = str(PROJECT / "examples" / "penguins" / "penguins.csv")
        with CmdlineParser.global_instance(
            ["gokart_pipeline_sample.RunDistributedTask", "--table", table, *options]
        ) as run:
            tasks = [run.get_task_obj()]
            for task in tasks:
                tasks += flatten(task.requires())
            (ranks,) = {task for task in tasks if isinstance(task, TrainRanksTask)}
        assert "lightgbm" not in ranks.parameters
        assert json.loads(json.dumps(dict(ranks.parameters)))["interaction_constraints"] == [[0, 1], [2, 3, 4]]
        assert ranks.parameters["lambda_l2"] == 5

    def test_a_value_that_lightgbm_refuses_is_named(self, parts: Parts, parameters: dict[str, Any]) -> None:
        with pytest.raises(SettingError, match=r"refuses a parameter of TrainTask: it needs \(lambda_l2\) >= \(0.0\)$"):
            TrainTask.fit(parts[0], parts[1], **parameters, lambda_l2=-1)

    def test_the_rows_of_a_leaf_are_named_if_they_are_too_many(self, parts: Parts, parameters: dict[str, Any]) -> None:
        with pytest.raises(ValueError, match="no feature splits the 96 training rows, 60 to a side"):
            TrainTask.fit(parts[0], parts[1], **parameters, min_data_in_leaf=60)
