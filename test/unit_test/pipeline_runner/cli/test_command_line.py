from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from luigi.configuration import LuigiConfigParser

from pipeline_runner.cli.arguments import parse_arguments
from pipeline_runner.cli.command_line import providing_s3
from pipeline_runner.errors import UsageError
from pipeline_runner.local_s3 import embedded_s3


class TestProvidingS3:
    @pytest.fixture(autouse=True)
    def started(self, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
        """The folders of the servers that were asked for; none is started."""
        folders: list[Path] = []

        @contextlib.contextmanager
        def running(directory: Path) -> Iterator[Path]:
            folders.append(directory)
            yield directory

        monkeypatch.setattr(embedded_s3, "running", running)
        for variable in ("BUCKET_NAME", *embedded_s3.OTHER_S3_VARIABLES):
            monkeypatch.delenv(variable, raising=False)
        return folders

    @pytest.fixture
    def config(self, tmp_path: Path) -> LuigiConfigParser:
        config = LuigiConfigParser()
        config.read_dict({"TaskOnKart": {"workspace_directory": str(tmp_path)}})
        return config

    def provide(self, config: LuigiConfigParser, *arguments: str) -> object:
        with providing_s3(*parse_arguments(list(arguments)), config) as server:
            return server

    def test_runs_one_in_the_workspace_and_says_so(
        self, config: LuigiConfigParser, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.provide(config) == tmp_path / "s3"
        assert capsys.readouterr().err == (
            f"BUCKET_NAME is not set: publishing to the embedded S3 in {tmp_path / 's3'}\n"
        )

    @pytest.mark.parametrize(
        "arguments",
        [
            ["--history"],
            ["--help"],
            ["--help-all"],
            ["--fetch", "s3://mine/output.csv"],
            ["--gokart-pipeline-sample.UploadS3Task-bucket", "mine"],
            ["--gokart-pipeline-sample.UploadS3Task-bucket=mine"],
        ],
    )
    def test_runs_none_where_none_is_needed(
        self, config: LuigiConfigParser, started: list[Path], arguments: list[str]
    ) -> None:
        assert self.provide(config, *arguments) is None
        assert started == []

    @pytest.mark.parametrize(("setting", "is_started"), [("${BUCKET_NAME}", True), ("mine", False)])
    def test_runs_none_if_the_configuration_names_a_bucket(
        self, config: LuigiConfigParser, started: list[Path], setting: str, is_started: bool
    ) -> None:
        config.read_dict({"gokart_pipeline_sample.UploadS3Task": {"bucket": setting}})
        self.provide(config)
        assert bool(started) is is_started

    def test_runs_none_beside_a_bucket(self, config: LuigiConfigParser, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("BUCKET_NAME", "mine")
        assert self.provide(config) is None

    def test_refuses_credentials_without_a_bucket(
        self, config: LuigiConfigParser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "mine")
        with pytest.raises(UsageError, match="AWS_PROFILE is set, but BUCKET_NAME is not"):
            self.provide(config)

    def test_a_variable_that_is_empty_is_removed(
        self, config: LuigiConfigParser, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("AWS_PROFILE", "")
        assert self.provide(config) is not None
        assert "AWS_PROFILE" not in os.environ

    @pytest.mark.parametrize("argument", ["--plan", "--fetch"])
    def test_a_look_before_the_first_run_leaves_nothing(
        self,
        config: LuigiConfigParser,
        tmp_path: Path,
        started: list[Path],
        argument: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        self.provide(config, argument)
        assert not (tmp_path / "s3").exists()
        assert not started[0].exists()
        assert capsys.readouterr().err == ""

    def test_a_plan_looks_at_what_is_there(self, config: LuigiConfigParser, tmp_path: Path) -> None:
        (tmp_path / "s3").mkdir()
        assert self.provide(config, "--plan") == tmp_path / "s3"

    def test_serving_starts_one_whatever_the_environment_says(
        self, config: LuigiConfigParser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("BUCKET_NAME", "mine")
        assert self.provide(config, "--serve-s3") == tmp_path / "s3"
