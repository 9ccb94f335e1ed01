"""Tables on S3, with what Spark, Hadoop and Athena leave beside their files."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator

import pandas as pd
import pyarrow as pa
import pytest
from mypy_boto3_s3 import S3Client

from gokart_pipeline_sample.errors import DamagedFileError, S3Error, TableError
from gokart_pipeline_sample.io.file_formats import ParquetProcessor
from gokart_pipeline_sample.io.manifest import S3ManifestTarget
from gokart_pipeline_sample.io.s3 import BUCKET_ENCRYPTION, client_of_process, put_object
from gokart_pipeline_sample.io.tables.csv_text import Dialect
from gokart_pipeline_sample.io.tables.table import Table
from gokart_pipeline_sample.io.tables.table_files import list_files
from pipeline_runner.local_s3.embedded_s3 import EmbeddedS3

SCHEMA = pa.schema([("id", pa.int64()), ("day", pa.timestamp("ns"))])


@pytest.fixture(autouse=True)
def connected(server: EmbeddedS3, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    client_of_process.cache_clear()
    yield
    client_of_process.cache_clear()


def put(s3: S3Client, bucket: str, **content: bytes) -> None:
    for key, body in content.items():
        s3.put_object(Bucket=bucket, Key=key, Body=body)


@pytest.mark.parametrize("scheme", ["s3", "s3a", "s3n", "S3", "S3A"])
def test_a_scheme_of_s3_may_be_any_of_hadoops(scheme: str, bucket: str, s3: S3Client) -> None:
    put(s3, bucket, **{"table/a.csv": b"id\n1\n"})
    for key in ("table", "table/", "table/a.csv"):
        assert [file.path for file in list_files(f"{scheme}://{bucket}/{key}")] == [f"s3://{bucket}/table/a.csv"]
    with pytest.raises(TableError, match=f"the table {scheme}://{bucket}/none has no files"):
        list_files(f"{scheme}://{bucket}/none")


def test_markers_of_folders_and_of_types_are_passed_over(bucket: str, s3: S3Client) -> None:
    names = ["t/a.csv", "t/a.csv.metadata", "t/b/c.csv", "t/_SUCCESS", "t/d.csv.metadata", "t/_day=1/e.csv"]
    put(s3, bucket, **dict.fromkeys(names, b"id\n1\n"), **{"t_$folder$": b"", "t/b_$folder$": b"", "t/b/": b""})
    listed = list_files(f"s3://{bucket}/t")
    assert sorted(file.path.removeprefix(f"s3://{bucket}/t/") for file in listed) == [
        "_day=1/e.csv",
        "a.csv",
        "b/c.csv",
    ]


def test_columns_of_the_path_are_read_by_workers_elsewhere(bucket: str, s3: S3Client) -> None:
    for day, ids in (("2024-01-01", [1, 2]), ("2024-01-02", [3]), ("__HIVE_DEFAULT_PARTITION__", [4])):
        content = io.BytesIO()
        pd.DataFrame({"id": ids}).to_parquet(content, index=False)
        put(s3, bucket, **{f"t/day={day}/part-0.parquet": content.getvalue()})
    table = Table(f"s3a://{bucket}/t")
    expected = table.read(SCHEMA)
    assert expected["id"].tolist() == [1, 2, 3, 4]
    assert expected["day"].dt.strftime("%d").fillna("none").tolist() == ["01", "01", "02", "none"]
    pieces = list(table.list_pieces(SCHEMA, 3, elsewhere=True))
    assert pieces == [range(3), range(3, 4)]
    elsewhere = pickle.loads(pickle.dumps(table))  # noqa: S301
    read = pd.concat([elsewhere.read_piece(SCHEMA, piece)[0] for piece in pieces], ignore_index=True)
    pd.testing.assert_frame_equal(read, expected)


def test_a_dialect_is_read_from_s3(bucket: str, s3: S3Client) -> None:
    put(s3, bucket, **{"t/day=2024-01-01/a.csv": "id;名\n1;東京\n".encode("cp932")})
    schema = pa.schema([*SCHEMA, ("名", pa.string())])
    with pytest.raises(TableError, match="cp932 reads it, and UTF-8 does not: set encoding=cp932 beside table"):
        Table(f"s3://{bucket}/t").read(schema)
    data = Table(f"s3://{bucket}/t", Dialect("cp932", ";")).read(schema)
    assert data.to_numpy().tolist() == [[1, pd.Timestamp("2024-01-01"), "東京"]]


def test_parts_are_read_in_the_order_of_their_manifest(bucket: str) -> None:
    target = S3ManifestTarget(bucket, "t", "id", BUCKET_ENCRYPTION)
    named = {name: pa.table({"id": ids}) for name, ids in (("b.parquet", [1, 2]), ("a.parquet", [3]))}
    parts = [target.put_part(name, rows, ParquetProcessor()) for name, rows in named.items()]
    target.dump({"parts": parts})
    target.make_pointer("other").dump({"manifest": target.key})
    schema = pa.schema([("id", pa.int64())])
    for key in ("t/latest.json", "t/id/manifest.json"):
        assert Table(f"s3://{bucket}/{key}").read(schema)["id"].tolist() == [1, 2, 3]
    table = Table(f"s3://{bucket}/t/latest.json")
    target.put_part("a.parquet", pa.table({"id": [4]}), ParquetProcessor())
    with pytest.raises(S3Error, match=r"a.parquet: S3 refuses to read it: it has changed meanwhile: run again"):
        table.read(schema)


@pytest.mark.parametrize("content", ["{}", "[]", '{"parts": [{"key": "a"}]}', "no JSON"])
def test_what_names_no_parts_is_no_table(content: str, bucket: str, s3: S3Client) -> None:
    put_object(bucket, "t/latest.json", content.encode(), "", {}, BUCKET_ENCRYPTION)
    with pytest.raises(TableError, match=r"t/latest.json names no parts of a table: give the latest.json of one"):
        list_files(f"s3://{bucket}/t/latest.json")
    put(s3, bucket, **{"t/latest.json": content.encode()})
    with pytest.raises(DamagedFileError, match=r"t/latest.json is not what a run has put: publish it again"):
        list_files(f"s3://{bucket}/t/latest.json")
