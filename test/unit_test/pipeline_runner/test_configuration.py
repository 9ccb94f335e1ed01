from __future__ import annotations

import pytest
from luigi.configuration import LuigiConfigParser

import gokart_pipeline_sample  # noqa: F401 - the tasks that a configuration may name
from pipeline_runner.configuration import check_names
from pipeline_runner.errors import ConfigurationError


class TestCheckNames:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[gokart_pipeline_sample.TrainTask]\nlearning_rate=0.1\nworkspace_directory=x",
            "[TaskOnKart]\nworkspace_directory=x",
            "[core]\nworkers=2\nrpc_retry_wait=0\nno-lock=true",
            "[gokart_worker]\ncheck_complete_on_run=true\n[worker]\nkeep_alive=true\n[retcode]\ntask_failed=40",
            "[S3Config]\naws_access_key_id_name=X\n[scheduler]\nretry_delay=1",
        ],
    )
    def test_takes_what_is_known(self, text: str) -> None:
        config = LuigiConfigParser()
        config.read_string(text)
        check_names(config)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[gokart_pipeline_sample.TrainTask]\nlearning_rat=1", "learning_rat in .* did you mean learning_rate"),
            ("[gokart_pipeline_sample.TraniTask]", "TraniTask.* did you mean gokart_pipeline_sample.TrainTask"),
            ("[TaskOnKart]\nworkspace=x", "the key workspace in"),
            ("[core]\nworker=2", "did you mean workers"),
            ("[nonsense]", r"the section \[nonsense\] of the configuration is not known$"),
        ],
    )
    def test_names_what_is_not(self, text: str, message: str) -> None:
        config = LuigiConfigParser()
        config.read_string(text)
        with pytest.raises(ConfigurationError, match=message):
            check_names(config)
