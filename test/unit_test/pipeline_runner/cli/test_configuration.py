from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from luigi.configuration import LuigiConfigParser, get_config

import gokart_pipeline_sample  # noqa: F401 - the tasks that a configuration may name
from pipeline_runner.cli import configuration
from pipeline_runner.cli.configuration import check_names, find_files, load_config
from pipeline_runner.errors import UsageError

Find = Callable[[bool], list[str]]


class TestFindFiles:
    @pytest.fixture
    def find(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Find:
        monkeypatch.delenv("LUIGI_CONFIG_PATH", raising=False)
        monkeypatch.chdir(tmp_path)
        for name in ("wheel/conf/param.ini", "project/conf/param.ini", "other.ini"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()

        def find(is_installed: bool) -> list[str]:
            monkeypatch.setattr(configuration, "IS_INSTALLED", is_installed)
            monkeypatch.setattr(configuration, "DEFAULTS", tmp_path / ("wheel" if is_installed else "project"))
            monkeypatch.setattr(configuration, "PROJECT", tmp_path / "project")
            return [file.removeprefix(f"{tmp_path}/") for file in find_files()]

        return find

    @pytest.mark.parametrize(
        ("is_installed", "files"),
        [(False, ["project/conf/param.ini"]), (True, ["wheel/conf/param.ini", "project/conf/param.ini"])],
    )
    def test_the_file_of_the_project_overrides_that_of_the_wheel(
        self, find: Find, is_installed: bool, files: list[str]
    ) -> None:
        assert find(is_installed) == files

    @pytest.mark.parametrize(
        ("is_installed", "files"), [(False, ["other.ini"]), (True, ["wheel/conf/param.ini", "other.ini"])]
    )
    def test_the_variable_names_another_one(
        self,
        find: Find,
        monkeypatch: pytest.MonkeyPatch,
        is_installed: bool,
        files: list[str],
    ) -> None:
        monkeypatch.setenv("LUIGI_CONFIG_PATH", "other.ini")
        assert find(is_installed) == files

    def test_a_folder_needs_none_for_the_wheel(self, find: Find, tmp_path: Path) -> None:
        (tmp_path / "project" / "conf" / "param.ini").unlink()
        assert find(True) == ["wheel/conf/param.ini"]

    def test_a_clone_needs_one(self, find: Find, tmp_path: Path) -> None:
        (tmp_path / "project" / "conf" / "param.ini").unlink()
        with pytest.raises(UsageError, match=r"there is no configuration file .*/project/conf/param.ini"):
            find(False)

    @pytest.mark.parametrize("is_installed", [True, False])
    @pytest.mark.parametrize("file", ["not_there.ini", "project", ""])
    def test_the_variable_must_name_a_file(
        self, find: Find, monkeypatch: pytest.MonkeyPatch, is_installed: bool, file: str
    ) -> None:
        monkeypatch.setenv("LUIGI_CONFIG_PATH", file)
        with pytest.raises(UsageError, match=f"there is no configuration file {file}: correct LUIGI_CONFIG_PATH"):
            find(is_installed)


class TestCheckNames:
    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[gokart_pipeline_sample.TrainTask]\nlearning_rate=0.1\nworkspace_directory=x",
            "[TaskOnKart]\nworkspace_directory=x",
            "[core]\nworkers=2\nrpc_retry_wait=0\nno-lock=true",
            "[gokart_worker]\ncheck_complete_on_run=true\n[worker]\nkeep_alive=true\n[retcode]\ntask_failed=40",
            "[SlackConfig]\ntoken_name=X\n[scheduler]\nretry_delay=1",
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
            (
                "[S3Config]\naws_access_key_id_name=X",
                r"the section \[S3Config\] of the configuration is not known",
            ),
            ("[nonsense]", r"the section \[nonsense\] of the configuration is not known$"),
        ],
    )
    def test_names_what_is_not(self, text: str, message: str) -> None:
        config = LuigiConfigParser()
        config.read_string(text)
        with pytest.raises(UsageError, match=message):
            check_names(config)


class TestLoadConfig:
    @pytest.fixture
    def write(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
        """Write the configuration file, which is read in place of that of the tests."""
        config, before = get_config("ini"), io.StringIO()
        config.write(before)
        monkeypatch.setenv("LUIGI_CONFIG_PATH", str(tmp_path / "own.ini"))
        monkeypatch.chdir(tmp_path)
        yield (tmp_path / "own.ini").write_text
        config.clear()
        config.read_string(before.getvalue())

    @pytest.mark.parametrize(
        ("text", "option"),
        [
            ("[TaskOnKart]\nworkspace_directory=${WS}", r"workspace_directory in \[TaskOnKart\]"),
            ("[gokart_pipeline_sample.UploadS3Task]\nkey=daily/${WS}/output.csv", "key in"),
            ("[gokart_pipeline_sample.UploadS3Task]\nbucket=prod-${WS}", "bucket in"),
            ("[gokart_pipeline_sample.LoadDataTask]\ntable=s3://b/${WS}", "table in"),
        ],
    )
    @pytest.mark.parametrize("value", ["", "  "])
    def test_refuses_a_variable_that_is_empty(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch, text: str, option: str, value: str
    ) -> None:
        write(text)
        monkeypatch.setenv("WS", value)
        with pytest.raises(UsageError, match=f"the variable WS is empty, and {option} .*needs it: set it"):
            load_config()

    def test_an_empty_bucket_is_that_of_the_embedded_s3(
        self, write: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write("[gokart_pipeline_sample.UploadS3Task]\nbucket=${BUCKET_NAME}")
        monkeypatch.setenv("BUCKET_NAME", "")
        assert load_config().get("gokart_pipeline_sample.UploadS3Task", "bucket") == ""

    @pytest.mark.parametrize("value", ["", "  "])
    def test_refuses_a_workspace_that_is_empty(self, write: Callable[[str], None], value: str) -> None:
        write(f"[TaskOnKart]\nworkspace_directory={value}")
        with pytest.raises(UsageError, match="workspace_directory is empty: set it to a folder"):
            load_config()
        with pytest.raises(UsageError, match="workspace_directory is empty: set it to a folder"):
            load_config(value)

    @pytest.mark.parametrize(
        ("path", "expected"),
        [
            ("regions.csv", "{project}/regions.csv"),
            ("./data/100%/a=1", "{project}/./data/100%/a=1"),
            ("/data/regions.csv", "/data/regions.csv"),
            ("s3://b/regions.csv", "s3://b/regions.csv"),
        ],
    )
    def test_lookups_lie_in_the_project(self, write: Callable[[str], None], path: str, expected: str) -> None:
        section = "gokart_pipeline_sample.PreprocessTask"
        lookups = {"regions": path, "others": path}
        write(f"[{section}]\nlookups={json.dumps(lookups).replace('%', '%%')}\n[core]\nno_lock=true")
        found = json.loads(load_config().get(section, "lookups"))
        assert found == dict.fromkeys(lookups, expected.format(project=configuration.PROJECT))

    @pytest.mark.parametrize(
        ("value", "expected"),
        [("x", "{here}/x"), ("/x", "/x"), ("100%/x", "{here}/100%/x"), ("s3://b/x", "s3://b/x")],
    )
    def test_takes_the_workspace_of_the_command_line(
        self, write: Callable[[str], None], tmp_path: Path, value: str, expected: str
    ) -> None:
        write("[TaskOnKart]\nworkspace_directory=resources\n[core]\nno_lock=true")
        assert load_config(value).get("TaskOnKart", "workspace_directory") == expected.format(here=tmp_path)
