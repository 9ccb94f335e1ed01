from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import luigi
import luigi.cmdline_parser
import pytest

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.table import open_table
from gokart_pipeline_sample.pipeline.load_data import LoadDataTask
from gokart_pipeline_sample.pipeline.preprocess import PreprocessTask
from gokart_pipeline_sample.utils.parameters import (
    BucketParameter,
    KeyParameter,
    OptionalTaskParameter,
    SchedulerParameter,
    TableParameter,
    borrow,
)


@pytest.fixture(autouse=True)
def _forget_tables() -> Iterator[None]:
    open_table.cache_clear()
    yield
    open_table.cache_clear()


class TestTableParameter:
    def test_gives_a_task_the_identity_of_the_content(self, tmp_path: Path) -> None:
        for name, content in (("a.csv", "id\n1\n"), ("b.csv", "id\n1\n"), ("c.csv", "id\n2\n")):
            (tmp_path / name).write_text(content)
        first, same, other = (
            PreprocessTask(data_task=LoadDataTask(table=str(tmp_path / name))).make_unique_id()
            for name in ("a.csv", "b.csv", "c.csv")
        )
        assert first == same
        assert first != other

    def test_passes_over_the_time_of_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("id\n1\n")
        before = TableParameter().serialize(str(path))
        os.utime(path, (0, 0))
        open_table.cache_clear()
        assert TableParameter().serialize(str(path)) == before

    def test_sees_another_content_at_the_same_place(self, tmp_path: Path) -> None:
        path = tmp_path / "a.csv"
        path.write_text("id\n1\n")
        before = TableParameter().serialize(str(path))
        path.write_text("id\n2\n")
        open_table.cache_clear()
        assert TableParameter().serialize(str(path)) != before

    def test_keeps_the_path_for_the_task_and_its_name(self, tmp_path: Path) -> None:
        (tmp_path / "a.csv").write_text("id\n1\n")
        task = LoadDataTask(table=str(tmp_path / "a.csv"))
        assert task.table == str(tmp_path / "a.csv")
        assert f", table={tmp_path / 'a.csv'}, on_bad_row=fail, max_dropped_share=0.01)" in str(task)

    def test_no_table_is_a_value_too(self) -> None:
        assert TableParameter().serialize("") == ""
        assert LoadDataTask(table="").make_unique_id() == LoadDataTask().make_unique_id()

    def test_refuses_a_table_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(TableError, match="not-there"):
            LoadDataTask(table=str(tmp_path / "not-there"))


class OwnerTask(luigi.Task):
    rows: luigi.IntParameter = luigi.IntParameter(default=5, description="Rows.")
    name: luigi.Parameter[str] = luigi.Parameter()


class BorrowerTask(luigi.Task):
    rows = borrow(OwnerTask, "rows")
    label = borrow(OwnerTask, "name")


class TestBorrow:
    @pytest.fixture(autouse=True)
    def configure(self) -> Iterator[None]:
        self.config = luigi.configuration.get_config()
        self.config.set("OwnerTask", "name", "owned")
        yield
        for section in ("OwnerTask", "BorrowerTask"):
            if self.config.has_section(section):
                self.config.remove_section(section)

    def test_has_the_value_that_the_owner_would_have(self) -> None:
        assert (BorrowerTask().rows, BorrowerTask().label) == (5, "owned")
        self.config.set("OwnerTask", "rows", "6")
        assert (BorrowerTask().rows, OwnerTask().rows) == (6, 6)

    def test_has_the_value_of_its_own_section_first(self) -> None:
        self.config.set("OwnerTask", "rows", "6")
        self.config.set("BorrowerTask", "rows", "7")
        self.config.set("BorrowerTask", "label", "borrowed")
        assert (BorrowerTask().rows, BorrowerTask().label) == (7, "borrowed")
        assert (OwnerTask().rows, OwnerTask().name) == (6, "owned")

    def test_has_the_value_that_it_is_given_before_all(self) -> None:
        self.config.set("BorrowerTask", "rows", "7")
        assert BorrowerTask(rows=8).rows == 8

    def test_can_be_missing(self) -> None:
        self.config.remove_section("OwnerTask")
        with pytest.raises(luigi.parameter.MissingParameterException):
            BorrowerTask()

    def test_takes_the_command_line_of_either(self) -> None:
        for option, value in (("--rows", 9), ("--BorrowerTask-rows", 9), ("--OwnerTask-rows", 9)):
            with luigi.cmdline_parser.CmdlineParser.global_instance(["BorrowerTask", option, str(value)]) as parser:
                assert parser.get_task_obj().rows == value

    def test_keeps_type_and_description(self) -> None:
        assert isinstance(BorrowerTask.rows, luigi.IntParameter)
        assert BorrowerTask.rows.description == "Rows."


@pytest.mark.parametrize(
    ("address", "is_one"),
    [
        ("", True),
        ("tcp://10.0.0.1:8786", True),
        ("tls://scheduler.example:8786", True),
        ("10.0.0.1:8786", False),
        ("http://10.0.0.1:8786", False),
        ("tcp://10.0.0.1", False),
        ("tcp://10.0.0.1:8786/status", False),
    ],
)
def test_a_scheduler_has_an_address_of_dask(address: str, is_one: bool) -> None:
    if is_one:
        assert SchedulerParameter().normalize(address) == address
    else:
        with pytest.raises(ValueError, match="give tcp://HOST:PORT or tls://HOST:PORT"):
            SchedulerParameter().normalize(address)


def test_a_task_that_is_none_has_a_text() -> None:
    """Gokart writes the parameters down when a task saves its output."""
    assert OptionalTaskParameter(description="A task.").serialize(None) == ""
    assert OptionalTaskParameter(description="A task.").parse("") is None


class TestBucketParameter:
    ACCESS_POINT = "arn:aws:s3:eu-west-1:123456789012:accesspoint/mine"

    @pytest.mark.parametrize("bucket", ["my-bucket", "My_Bucket.1", ACCESS_POINT])
    def test_takes_what_boto3_takes(self, bucket: str) -> None:
        assert BucketParameter().normalize(bucket) == bucket

    @pytest.mark.parametrize(
        "bucket",
        [
            "",
            " ",
            " my-bucket",
            "my bucket",
            "s3://my-bucket",
            "my-bucket/prefix",
            "my-bucket/",
            "arn:aws:s3:::my-bucket",
        ],
    )
    def test_refuses_all_else_in_a_sentence(self, bucket: str) -> None:
        with pytest.raises(ValueError, match=re.escape(f"the bucket is {bucket!r}: give its name alone")):
            BucketParameter().normalize(bucket)

    def test_an_access_point_has_an_address(self) -> None:
        session = boto3.Session("some", "key", region_name="eu-west-1")
        client = session.client("s3")
        parameters = {"Bucket": self.ACCESS_POINT, "Key": "output.csv"}
        url = client.generate_presigned_url("put_object", Params=parameters)
        assert url.startswith("https://mine-123456789012.s3-accesspoint.eu-west-1.amazonaws.com/output.csv?")


class TestKeyParameter:
    @pytest.mark.parametrize(
        "key",
        [
            *(
                "output.csv",
                "daily/output.csv",
                "/output.csv",
                "a//b.csv",
                " ",
                "a b.csv ",
                "a\\b",
                "\ttab",
                "new\nline",
            ),
            *("é" * 512, "..a", "a..", "...", "a/.../b", ".hidden", "報告.csv", "report.html.csv"),
        ],
    )
    def test_takes_what_is_a_key_on_s3(self, key: str) -> None:
        assert KeyParameter().normalize(key) == key

    @pytest.mark.parametrize(
        ("key", "problem"),
        [
            ("daily/", "the key 'daily/' is that of a folder: give another file name"),
            ("", "the key '' is that of a folder"),
            ("/", "the key '/' is that of a folder"),
            ("//", "the key '//' is that of a folder"),
            ("daily//", "the key 'daily//' is that of a folder"),
            ("report.html", "the key 'report.html' is that of a report: give another file name"),
            ("daily/report.html", "the key 'daily/report.html' is that of a report"),
            ("k" * 1025, "has 1025 bytes: shorten it to 1024"),
            ("é" * 513, "has 1026 bytes: shorten it to 1024"),
        ],
    )
    def test_refuses_what_would_name_another_object_or_none(self, key: str, problem: str) -> None:
        with pytest.raises(ValueError, match=re.escape(problem)):
            KeyParameter().normalize(key)
