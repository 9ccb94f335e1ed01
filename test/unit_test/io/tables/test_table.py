from __future__ import annotations

import datetime
import os
import pickle
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sklearn.datasets import load_iris

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.io.tables.casts import LISTED, MISSING
from gokart_pipeline_sample.io.tables.csv_text import Dialect
from gokart_pipeline_sample.io.tables.readers import BLOCK_BYTES
from gokart_pipeline_sample.io.tables.table import Chunk, Table, open_table, read_iris

SCHEMA = pa.schema([("id", pa.int64()), ("width", pa.float64()), ("name", pa.string())])
DTYPES = {"id": "int64", "width": "float64", "name": "str"}
ROWS = pd.DataFrame({"id": range(7), "width": [0.5, 1e-7, 0.1 + 0.2, 4.0, 5.0, 6.0, 7.0], "name": list("abcdefg")})

Content = str | bytes | pa.Table
Write = Callable[[str, Content], str]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write a file as its name says, and return its path."""

    def write(name: str, content: Content) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, pa.Table):
            pq.write_table(content, path, row_group_size=2)
        else:
            with pa.output_stream(path, compression="detect") as file:
                file.write(content.encode() if isinstance(content, str) else content)
        return str(path)

    return write


def to_csv(rows: pd.DataFrame) -> str:
    return rows.to_csv(index=False, lineterminator="\n")


def to_arrow(rows: pd.DataFrame) -> pa.Table:
    return pa.Table.from_pandas(rows, SCHEMA, preserve_index=False)


class TestReadIris:
    def test_is_the_table_that_scikit_learn_ships(self) -> None:
        data, iris = read_iris(), load_iris()
        assert data["id"].tolist() == list(range(150))
        assert data["target"].tolist() == iris.target.tolist()
        lengths = ["sepal_length", "sepal_width", "petal_length", "petal_width"]
        assert (data[lengths].to_numpy() == iris.data).all()


class TestOpenTable:
    @pytest.fixture(autouse=True)
    def forget_tables(self) -> Iterator[None]:
        open_table.cache_clear()
        yield
        open_table.cache_clear()

    def test_lists_a_table_once(self, write: Write) -> None:
        path = write("table.csv", to_csv(ROWS))
        assert open_table(path) is open_table(path)

    def test_looks_again_for_a_table_that_was_not_there(self, write: Write, tmp_path: Path) -> None:
        path = str(tmp_path / "table.csv")
        with pytest.raises(TableError):
            open_table(path)
        write("table.csv", to_csv(ROWS))
        assert len(open_table(path).read(SCHEMA)) == 7


class TestFingerprint:
    def test_stays_when_the_folder_is_renamed_and_touched(self, write: Write, tmp_path: Path) -> None:
        write("table/a.csv", to_csv(ROWS))
        before = Table(str(tmp_path / "table")).fingerprint
        (tmp_path / "table").rename(tmp_path / "renamed")
        os.utime(tmp_path / "renamed/a.csv", (0, 0))
        assert Table(str(tmp_path / "renamed")).fingerprint == before

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            pytest.param("a.csv", to_csv(ROWS.assign(id=ROWS["id"] + 1)), id="other content of the same length"),
            pytest.param("b.csv", to_csv(ROWS), id="one more file"),
            pytest.param("part/a.csv", to_csv(ROWS), id="one more folder"),
        ],
    )
    def test_changes_with_the_content(self, write: Write, tmp_path: Path, name: str, content: str) -> None:
        write("a.csv", to_csv(ROWS))
        before = Table(str(tmp_path)).fingerprint
        write(name, content)
        assert Table(str(tmp_path)).fingerprint != before

    def test_changes_with_the_order_of_the_files(self, write: Write, tmp_path: Path) -> None:
        for folder, names in (("one", "ab"), ("other", "ba")):
            for name, content in zip(names, (ROWS[:1], ROWS[1:]), strict=True):
                write(f"{folder}/{name}.csv", to_csv(content))
        assert Table(str(tmp_path / "one")).fingerprint != Table(str(tmp_path / "other")).fingerprint


class TestReadChunks:
    @pytest.mark.parametrize(
        ("name", "content"),
        [
            pytest.param("table.csv", "id,width,name\n", id="CSV"),
            pytest.param("table.csv", "id,width,name\r\n\r\n", id="CSV with a blank line"),
            pytest.param("table.csv.gz", "id,width,name\n", id="gzip"),
            pytest.param("table.csv.zst", "id,width,name\n", id="zstd"),
            pytest.param("table.parquet", SCHEMA.empty_table(), id="Parquet"),
        ],
    )
    def test_gives_one_empty_frame_for_a_table_without_rows(self, write: Write, name: str, content: Content) -> None:
        (chunk,) = Table(write(name, content)).read_chunks(SCHEMA, 10)
        assert chunk.empty
        assert chunk.dtypes.astype(str).to_dict() == DTYPES

    def test_takes_one_row(self, write: Write) -> None:
        (chunk,) = Table(write("table.csv", to_csv(ROWS[:1]))).read_chunks(SCHEMA, 10)
        pd.testing.assert_frame_equal(chunk, ROWS[:1])

    @pytest.mark.parametrize(
        ("rows", "sizes"),
        [
            pytest.param(3, [3, 3, 1], id="the last has one row"),
            pytest.param(6, [6, 1], id="one row too many"),
            pytest.param(7, [7], id="exactly one"),
            pytest.param(8, [7], id="less than one"),
            pytest.param(1, [1] * 7, id="row by row"),
        ],
    )
    @pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
    def test_gives_pieces_of_the_wanted_size(self, write: Write, name: str, rows: int, sizes: list[int]) -> None:
        path = write(name, to_csv(ROWS) if name.endswith("csv") else to_arrow(ROWS))
        chunks = list(Table(path).read_chunks(SCHEMA, rows))
        assert [len(chunk) for chunk in chunks] == sizes
        assert all(chunk.index.equals(pd.RangeIndex(len(chunk))) for chunk in chunks)
        pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), ROWS)

    def test_gives_whole_pieces_only(self, write: Write) -> None:
        path = write("table.csv", to_csv(ROWS[:6]))
        assert [len(chunk) for chunk in Table(path).read_chunks(SCHEMA, 3)] == [3, 3]

    @pytest.mark.parametrize(
        "files",
        [
            pytest.param({"all.csv": (0, 7)}, id="one CSV file"),
            pytest.param({"all.parquet": (0, 7)}, id="one Parquet file of several row groups"),
            pytest.param({"1.csv": (0, 2), "2.parquet": (2, 5), "3.csv.gz": (5, 6), "4.csv.zst": (6, 7)}, id="mixed"),
            pytest.param({f"{row}.csv": (row, row + 1) for row in range(7)}, id="a file for each row"),
            pytest.param({"1.parquet": (0, 0), "2.csv": (0, 0), "3.csv": (0, 7), "4.csv": (7, 7)}, id="empty files"),
            pytest.param({"1.CSV": (0, 3), "2.Parquet": (3, 7)}, id="large letters"),
        ],
    )
    @pytest.mark.parametrize("rows", [1, 2, 3, 7])
    def test_does_not_depend_on_the_files(
        self, write: Write, tmp_path: Path, files: dict[str, tuple[int, int]], rows: int
    ) -> None:
        for name, (start, end) in files.items():
            part = ROWS[start:end]
            write(name, to_arrow(part) if name.lower().endswith("parquet") else to_csv(part))
        chunks = list(Table(str(tmp_path)).read_chunks(SCHEMA, rows))
        expected = [ROWS[start : start + rows].reset_index(drop=True) for start in range(0, 7, rows)]
        assert len(chunks) == len(expected)
        for chunk, piece in zip(chunks, expected, strict=True):
            pd.testing.assert_frame_equal(chunk, piece)

    @pytest.mark.parametrize("name", ["table.csv", "table.csv.gz", "table.parquet"])
    def test_joins_the_blocks_of_a_large_file(self, tmp_path: Path, name: str) -> None:
        data = pd.DataFrame({"id": range(150_000)}).assign(width=lambda rows: rows["id"] / 7, name="two\nlines")
        path = tmp_path / name
        if name.endswith("parquet"):
            pq.write_table(to_arrow(data), path)
        else:
            data.to_csv(path, index=False)
        chunks = list(Table(str(path)).read_chunks(SCHEMA, 40_000))
        assert [len(chunk) for chunk in chunks] == [40_000, 40_000, 40_000, 30_000]
        pd.testing.assert_frame_equal(pd.concat(chunks, ignore_index=True), data)

    def test_has_the_values_of_a_piece_whatever_is_unreadable_in_another(self, write: Write) -> None:
        path = write("table.csv", "id,width,name\n1,1.0,a\n2,!,b\n3,,c\n4,4.0,d\n")
        for chunk, width in zip(Table(path).read_chunks(SCHEMA, 1), [1.0, "!", None, 4.0], strict=True):
            pd.testing.assert_series_equal(
                chunk["width"], pd.Series([width], name="width", dtype=object if width == "!" else float)
            )

    def test_refuses_a_file_that_changes_while_it_is_read(self, write: Write) -> None:
        path = Path(write("1.csv", to_csv(ROWS)))
        write("2.csv", to_csv(ROWS))
        chunks = Table(str(path.parent)).read_chunks(SCHEMA, 1)
        next(chunks)
        write("2.csv", to_csv(ROWS[:3]))
        with pytest.raises(TableError, match=r"2\.csv: it has changed while it was read"):
            list(chunks)

    def test_refuses_a_quote_that_is_not_closed(self, write: Write) -> None:
        path = write("table.csv", to_csv(ROWS.assign(note='"')).replace('""', '"', 1))
        with pytest.raises(TableError, match=r"table\.csv: a quote is not closed"):
            Table(path).read(SCHEMA)

    def test_takes_a_hexadecimal_number_for_text(self, write: Write) -> None:
        path = write("table.csv", "id\n7\n0x1A\n0XFFFFFFFFFFFFFFFF\n8\n")
        assert Table(path).read(pa.schema([("id", pa.int64())]))["id"].tolist() == [7, "0x1A", "0XFFFFFFFFFFFFFFFF", 8]

    def test_takes_a_header_without_a_newline_for_a_table_without_rows(self, write: Write) -> None:
        assert Table(write("table.csv", "id,name")).read(pa.schema([("id", pa.int64())])).empty

    def test_names_a_file_whose_first_quote_is_not_closed(self, write: Write) -> None:
        with pytest.raises(TableError, match=r"table\.csv"):
            Table(write("table.csv", '"id,name\n' + "1,a\n" * 40_000)).read(SCHEMA)

    def test_can_be_left_before_the_end(self, write: Write) -> None:
        chunks = Table(write("table.csv", to_csv(ROWS))).read_chunks(SCHEMA, 1)
        next(chunks)
        chunks.close()

    def test_reads_again_from_the_beginning(self, write: Write) -> None:
        table = Table(write("table.csv", to_csv(ROWS)))
        next(table.read_chunks(SCHEMA, 1))
        pd.testing.assert_frame_equal(table.read(SCHEMA), ROWS)


class TestListedWords:
    """A word that a column lists is a value of it, and missing in all other columns."""

    SCHEMA = pa.schema(
        [
            pa.field("id", pa.int64()),
            pa.field("country", pa.string(), metadata={LISTED: "NA,null"}),
            pa.field("width", pa.float64()),
            pa.field("unit", pa.string(), metadata={LISTED: ""}),
            pa.field("name", pa.string()),
        ]
    )

    @pytest.mark.parametrize("cell", MISSING)
    def test_are_values(self, write: Write, cell: str) -> None:
        text = f'id,country,width,unit,name\n1,{cell},{cell},{cell},{cell}\n2,"{cell}",2,"{cell}","{cell}"\n'
        data = Table(write("table.csv", text)).read(self.SCHEMA)
        own = {"country": ("NA", "null"), "unit": ("",)}
        for column, words in own.items():
            assert data[column].fillna("missing")[0] == (cell if cell in words else "missing")
            if cell in words or cell not in ("NA", "null", ""):
                assert data[column][1] == cell
        assert data["name"].isna()[0]
        assert data["width"].isna().tolist() == [True, False]

    def test_are_values_in_each_block_of_a_large_file(self, write: Write) -> None:
        rows = 3 * BLOCK_BYTES // len("100000,NA,NA,cm,a\n")
        lines = [f"{100_000 + row},NA,NA,cm,a{row}" for row in range(rows)]
        chunks = Table(write("table.csv.gz", "\n".join(["id,country,width,unit,name", *lines]))).read_chunks(
            self.SCHEMA, 40_000
        )
        data = pd.concat(chunks, ignore_index=True)
        assert data["id"].tolist() == list(range(100_000, 100_000 + rows))
        assert data["name"].tolist() == [f"a{row}" for row in range(rows)]
        assert set(data["country"]) == {"NA"}
        assert data["width"].isna().all()

    def test_leave_the_error_of_a_missing_column_whole(self, write: Write) -> None:
        with pytest.raises(TableError, match=r"columns are missing \(country, name\); it has"):
            Table(write("table.csv", "id,width,unit\n1,2,cm\n")).read(self.SCHEMA)


class TestColumnsOfThePath:
    SCHEMA = pa.schema([("id", pa.int64()), ("day", pa.timestamp("ns")), ("shop", pa.int64()), ("city", pa.string())])

    def write_parts(self, write: Write, kind: str) -> None:
        parts = {
            "day=2024-01-01/shop=007/city=S%C3%A3o%20Paulo": [1, 2],
            "day=2024-01-02/shop=8/city=NA": [3],
            "day=__HIVE_DEFAULT_PARTITION__/shop=9/city=a=b": [4, 5],
        }
        for folder, ids in parts.items():
            content: Content = pa.table({"id": ids})
            if kind != "parquet":
                content = "\n".join(["id", *map(str, ids)])
            write(f"table/{folder}/part-0.{kind}", content)

    @pytest.mark.parametrize("kind", ["csv", "csv.gz", "parquet"])
    def test_have_the_types_of_the_schema(self, write: Write, tmp_path: Path, kind: str) -> None:
        self.write_parts(write, kind)
        data = Table(str(tmp_path / "table")).read(self.SCHEMA)
        assert data["id"].tolist() == [1, 2, 3, 4, 5]
        assert data["day"].tolist() == [*[pd.Timestamp("2024-01-01")] * 2, pd.Timestamp("2024-01-02"), pd.NaT, pd.NaT]
        assert data["shop"].tolist() == [7, 7, 8, 9, 9]
        assert data["city"].tolist() == ["São Paulo", "São Paulo", "NA", "a=b", "a=b"]
        assert data.dtypes.astype(str).tolist() == ["int64", "datetime64[ns]", "int64", "str"]

    def test_are_read_by_the_numbers_of_rows_in_another_process(self, write: Write, tmp_path: Path) -> None:
        self.write_parts(write, "parquet")
        table = Table(str(tmp_path / "table"))
        elsewhere = pickle.loads(pickle.dumps(table))  # noqa: S301
        expected = table.read(self.SCHEMA)
        pd.testing.assert_frame_equal(
            elsewhere.read_piece(self.SCHEMA, range(1, 4))[0], expected[1:4].reset_index(drop=True)
        )

    @pytest.mark.parametrize("kind", ["csv", "parquet"])
    def test_give_way_to_those_of_the_file(self, write: Write, tmp_path: Path, kind: str) -> None:
        write(f"id=7/a.{kind}", "id\n1\n" if kind == "csv" else pa.table({"id": [1]}))
        assert Table(str(tmp_path)).read(pa.schema([("id", pa.int64())]))["id"].tolist() == [1]

    @pytest.mark.parametrize(("kind", "value"), [(pa.int64(), "x"), (pa.timestamp("ns"), "x"), (pa.bool_(), "x")])
    def test_that_cannot_be_read_stay_text(self, write: Write, tmp_path: Path, kind: pa.DataType, value: str) -> None:
        write(f"key={value}/a.csv", "id\n1\n")
        data = Table(str(tmp_path)).read(pa.schema([("id", pa.int64()), ("key", kind)]))
        assert data["key"].tolist() == [value]

    def test_have_a_decimal_point_whatever_the_files_have(self, write: Write, tmp_path: Path) -> None:
        write("height=1.5/a.csv", "id;width\n1;2,5\n")
        schema = pa.schema([(name, pa.float64()) for name in ("height", "width")])
        data = Table(str(tmp_path), Dialect(delimiter=";", decimal=",")).read(schema)
        assert data.to_numpy().tolist() == [[1.5, 2.5]]

    def test_may_be_all_that_is_asked_for(self, write: Write, tmp_path: Path) -> None:
        write("shop=1/a.csv", "id\n1\n2\n")
        write("shop=2/a.parquet", pa.table({"id": [1]}))
        assert Table(str(tmp_path)).read(pa.schema([("shop", pa.int64())]))["shop"].tolist() == [1, 1, 2]

    def test_begin_below_the_table(self, write: Write, tmp_path: Path) -> None:
        write("day=1/a.csv", "id\n1\n")
        schema = pa.schema([("id", pa.int64()), ("day", pa.int64())])
        for table in (tmp_path / "day=1", tmp_path / "day=1" / "a.csv"):
            with pytest.raises(TableError, match=r"missing \(day\); day is in the path alone: give the folder above"):
                Table(str(table)).read(schema)

    def test_change_the_fingerprint(self, write: Write, tmp_path: Path) -> None:
        write("1/day=1/a.csv", "id\n1\n")
        write("2/day=2/a.csv", "id\n1\n")
        write("3/day=1/b.csv", "id\n1\n")
        one, other, renamed = (Table(str(tmp_path / name)).fingerprint for name in "123")
        assert one == renamed != other


class TestReadPiece:
    @pytest.mark.parametrize("rows", [1, 3, 7, 100])
    def test_reads_the_chunk_from_its_numbers_in_another_process(self, tmp_path: Path, rows: int) -> None:
        many = pd.concat([ROWS] * 5, ignore_index=True)
        for name, part, groups in (("a", many[:9], 4), ("b", many[9:9], 1), ("c", many[9:], 5)):
            pq.write_table(to_arrow(part), tmp_path / f"{name}.parquet", row_group_size=groups)
        table = Table(str(tmp_path))
        expected = list(table.read_chunks(SCHEMA, rows))
        assert len(table.footers) == 3
        elsewhere = pickle.loads(pickle.dumps(table))  # noqa: S301
        numbers = [range(start, min(start + rows, len(many))) for start in range(0, len(many), rows)]
        for piece, chunk in zip(numbers, expected, strict=True):
            pd.testing.assert_frame_equal(elsewhere.read_piece(SCHEMA, piece)[0], chunk)

    def test_joins_the_batches_of_a_large_row_group(self, tmp_path: Path) -> None:
        many = pd.DataFrame({"id": range(150_000), "width": 0.5, "name": "a"})
        pq.write_table(to_arrow(many), tmp_path / "table.parquet")
        read = Table(str(tmp_path)).read_piece(SCHEMA, range(131_000, 132_000))[0]
        assert read["id"].tolist() == list(range(131_000, 132_000))

    @pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
    def test_a_table_of_this_machine_is_read_for_the_others(self, write: Write, name: str) -> None:
        table = Table(write(name, to_csv(ROWS) if name.endswith("csv") else to_arrow(ROWS)))
        for piece, chunk in zip(
            table.list_pieces(SCHEMA, 3, elsewhere=True), table.read_chunks(SCHEMA, 3), strict=True
        ):
            assert isinstance(piece, Chunk)
            assert len(piece) == len(chunk)
            pd.testing.assert_frame_equal(table.read_piece(SCHEMA, piece)[0], chunk)
            assert piece.batches == [], "the rows stay in memory as they were read"


class TestRead:
    def test_takes_the_files_of_a_folder_by_their_paths(self, write: Write, tmp_path: Path) -> None:
        for name, row in (("b.csv", 2), ("a/2.csv", 1), ("a/10.csv", 0), ("c/d/e.csv", 3)):
            write(name, to_csv(ROWS[row : row + 1]))
        assert Table(str(tmp_path)).read(SCHEMA)["id"].tolist() == [0, 1, 2, 3]

    @pytest.mark.parametrize("name", ["table.csv", "table.parquet"])
    def test_takes_the_columns_of_the_schema_in_its_order(self, write: Write, name: str) -> None:
        data = ROWS.assign(note="x", more=1.5)[["more", "name", "note", "width", "id"]]
        path = write(name, to_csv(data) if name.endswith("csv") else pa.Table.from_pandas(data))
        pd.testing.assert_frame_equal(Table(path).read(SCHEMA.remove(2)), ROWS[["id", "width"]])

    def test_finds_the_columns_of_each_file_by_name(self, write: Write, tmp_path: Path) -> None:
        write("1.csv", "name,id,width\na,0,0.5\n")
        write("2.csv", "width,note,id,name\n1e-7,x,1,b\n")
        write("3.parquet", to_arrow(ROWS[2:]).select(["width", "name", "id"]))
        pd.testing.assert_frame_equal(Table(str(tmp_path)).read(SCHEMA), ROWS)

    @pytest.mark.parametrize(
        ("name", "content"),
        [("table.csv", "id,x\n1,2.0\n"), ("table.csv", ""), ("table.parquet", pa.table({"id": [1], "x": [1]}))],
        ids=["CSV", "empty", "Parquet"],
    )
    def test_names_the_file_and_all_columns_that_are_missing(self, write: Write, name: str, content: Content) -> None:
        missing = (
            "(width, name); it has ['id', 'x']: give another table, adopt this one (--new-table), or correct the schema"
        )
        path = write(name, content)
        with pytest.raises(TableError) as caught:
            Table(path).read(SCHEMA)
        missing = missing if content else "(id, width, name); it is empty: write it again"
        assert str(caught.value) == f"{path}: columns are missing {missing}"

    @pytest.mark.parametrize(
        ("name", "content"),
        [
            ("table.csv", "id,width,name,id,name\n1,1.0,a,1,a\n"),
            ("table.parquet", pa.table([[1], [1.0], ["a"], [1], ["a"]], ["id", "width", "name", "id", "name"])),
        ],
        ids=["CSV", "Parquet"],
    )
    def test_refuses_columns_that_occur_twice(self, write: Write, name: str, content: Content) -> None:
        with pytest.raises(TableError, match=f"{name}: columns occur more than once: id, name$"):
            Table(write(name, content)).read(SCHEMA)

    def test_names_the_file_of_a_folder_that_is_not_as_the_others(self, write: Write, tmp_path: Path) -> None:
        write("1.csv", to_csv(ROWS))
        write("2.csv", to_csv(ROWS.drop(columns="width")))
        with pytest.raises(TableError, match=r"2\.csv: columns are missing \(width\); it has .'id', 'name'."):
            Table(str(tmp_path)).read(SCHEMA)

    @pytest.mark.parametrize("name", ["table.txt", "table", "table.csv.bz2", "tablecsv"])
    def test_names_a_file_whose_format_is_not_known(self, write: Write, name: str) -> None:
        with pytest.raises(TableError, match=f"{name}: its format is told by its name"):
            Table(write(name, b"id,width,name\n")).read(SCHEMA)

    @pytest.mark.parametrize(
        ("name", "content", "message"),
        [
            pytest.param("table.csv", "id,width,name\n1,2.0,a\n3,4.0\n", "Expected 3 columns, got 2", id="few cells"),
            pytest.param("table.csv", "id,width,name\n1,2.0,a,b\n", "Expected 3 columns, got 4", id="many cells"),
            pytest.param("table.csv", b"id,width,name\n1,2.0,\xff\n", "invalid UTF8", id="text that is not UTF-8"),
            pytest.param("table.csv", b"id,width,name\n1,\xff,a\n", "invalid UTF8", id="number that is not UTF-8"),
            pytest.param("table.parquet", b"PAR1 and no more", "", id="no Parquet"),
            pytest.param("table.parquet", b"", "", id="empty Parquet"),
        ],
    )
    def test_names_a_file_that_cannot_be_read(self, write: Write, name: str, content: Content, message: str) -> None:
        with pytest.raises(TableError, match=f"{name}: it cannot be read: .*{message}"):
            Table(write(name, content)).read(SCHEMA)

    @pytest.mark.parametrize("name", ["table.parquet", "table.csv.gz", "table.csv.zst"])
    @pytest.mark.parametrize("share", [0.2, 0.9])
    def test_names_a_file_that_was_cut_off(self, write: Write, name: str, share: float) -> None:
        path = Path(write(name, to_arrow(ROWS) if name.endswith("parquet") else to_csv(ROWS)))
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(TableError, match=f"{name}: it cannot be read"):
            Table(str(path)).read(SCHEMA)

    @pytest.mark.parametrize("name", ["table.csv.gz", "table.csv.zst"])
    def test_names_a_file_that_is_not_compressed(self, tmp_path: Path, name: str) -> None:
        (tmp_path / name).write_text(to_csv(ROWS))
        with pytest.raises(TableError, match=f"{name}: it cannot be read"):
            Table(str(tmp_path / name)).read(SCHEMA)

    def test_names_a_file_that_is_gone(self, write: Write) -> None:
        path = write("table.csv", to_csv(ROWS))
        table = Table(path)
        Path(path).unlink()
        with pytest.raises(TableError, match=r"table\.csv: it cannot be read: .*No such file"):
            table.read(SCHEMA)


class TestReadCsv:
    @pytest.mark.parametrize(
        "content",
        [
            pytest.param("id,width,name\n1,0.5,a\n2,1.5,b\n", id="plain"),
            pytest.param("id,width,name\n1,0.5,a\n2,1.5,b", id="no newline at the end"),
            pytest.param("id,width,name\r\n1,0.5,a\r\n2,1.5,b\r\n", id="CRLF"),
            pytest.param("\ufeffid,width,name\n1,0.5,a\n2,1.5,b\n", id="byte order mark"),
            pytest.param('\ufeff"id","width","name"\n"1","0.5","a"\n"2","1.5","b"\n', id="all quoted"),
            pytest.param("id,width,name\n1,0.5,a\n\n2,1.5,b\n\n", id="blank lines"),
            pytest.param("\n\r\nid,width,name\n1,0.5,a\n2,1.5,b\n", id="blank lines before the header"),
            pytest.param("id,width,größe,name\n1,0.5,ü,a\n2,15e-1,ü,b\n", id="other columns"),
            pytest.param('id,"a\nnote",width,name\n1,x,0.5,a\n2,"x\ny",1.5,b\n', id="name of two lines"),
            pytest.param(b"id,note,width,name\n1,\xff,0.5,a\n2,x,1.5,b\n", id="another column not in UTF-8"),
        ],
    )
    @pytest.mark.parametrize("ending", ["csv", "csv.gz", "csv.zst"])
    def test_reads(self, write: Write, ending: str, content: str | bytes) -> None:
        expected = pd.DataFrame({"id": [1, 2], "width": [0.5, 1.5], "name": ["a", "b"]})
        pd.testing.assert_frame_equal(Table(write(f"table.{ending}", content)).read(SCHEMA), expected)

    @pytest.mark.parametrize(
        ("cell", "text"),
        [
            ('"a\nb"', "a\nb"),
            ('"a\r\nb"', "a\r\nb"),
            ('"a,b"', "a,b"),
            ('"a ""b"""', 'a "b"'),
            ("grün", "grün"),
            (" a ", " a "),
            ("N/A", "N/A"),
            ("none", "none"),
            ("0012", "0012"),
        ],
    )
    def test_leaves_text_as_it_is(self, write: Write, cell: str, text: str) -> None:
        data = Table(write("table.csv", f"id,width,name\n1,0.5,{cell}\n2,1.5,end\n")).read(SCHEMA)
        assert data["name"].tolist() == [text, "end"]

    @pytest.mark.parametrize("cell", MISSING)
    def test_an_unquoted_cell_that_says_so_is_missing(self, write: Write, cell: str) -> None:
        data = Table(write("table.csv", f"id,width,name\n{cell},{cell},{cell}\n2,1.5,b\n")).read(SCHEMA)
        assert data.isna().to_numpy().tolist() == [[True] * 3, [False] * 3]
        assert data.dtypes.astype(str).to_dict() == {**DTYPES, "id": "object"}

    @pytest.mark.parametrize("cell", MISSING)
    def test_a_quoted_cell_is_text(self, write: Write, cell: str) -> None:
        assert Table(write("table.csv", f'id,width,name\n1,1.5,"{cell}"\n')).read(SCHEMA)["name"].tolist() == [cell]

    @pytest.mark.parametrize(
        ("column", "cells", "values"),
        [
            ("id", ["1", "x", "NA", "3.5"], [1, "x", None, "3.5"]),
            ("id", ["1.0", "", "3.0"], [1, None, 3]),
            ("id", ["1.0", "x", "-3.", "007.00"], [1, "x", -3, 7]),
            (
                "id",
                ["1e3", "1.50", ".0", "1.0.0", f"{2**53}.0", f"{2**53 - 1}.0", "0x1.0"],
                ["1e3", "1.50", ".0", "1.0.0", f"{2**53}.0", 2**53 - 1, "0x1.0"],
            ),
            ("id", [str(2**63), str(2**63 - 1), "1_000", '"1,5"'], [str(2**63), 2**63 - 1, "1_000", "1,5"]),
            ("width", ["1", "x", "NA", "1.5"], [1.0, "x", None, 1.5]),
            ("width", ["1e3", '"1,5"', "5 cm", "NA"], [1000.0, "1,5", "5 cm", None]),
        ],
    )
    def test_leaves_the_text_of_what_is_no_number(
        self, write: Write, column: str, cells: list[str], values: list[object]
    ) -> None:
        path = write("table.csv", "\n".join([f"{column},name", *(f"{cell},a" for cell in cells)]))
        series = Table(path).read(pa.schema([SCHEMA.field(column), SCHEMA.field("name")]))[column]
        assert series.dtype == object
        assert series.tolist() == values
        assert [type(value) for value in series] == [type(value) for value in values]

    @pytest.mark.parametrize("column", ["id", "width"])
    @pytest.mark.parametrize(
        "cell",
        [
            *(" 1", "1 ", "\t1\t", '" 1"', "+1", "-0", "007", "1e3", "1e400", "1.", ".5", "1.5 "),
            *("inf", "-nan", "0x1A", "x"),
            *(" ", '""', '" "', " NA", '"NA"', "1_000", '"1,5"', "\u00a01", "\uff11", str(2**53 + 1), str(2**63)),
        ],
    )
    def test_reads_a_number_alike_whatever_the_other_cells_are(self, write: Write, column: str, cell: str) -> None:
        schema = pa.schema([SCHEMA.field(column), SCHEMA.field("name")])
        cells = [
            Table(write(f"{number}.csv", f"{column},name\n7,a\n{cell},b\n{end},c\n")).read(schema)[column].tolist()
            for number, end in enumerate(["8", "no number"])
        ]
        shown = [repr(values[:2]).replace(", nan]", ", None]") for values in cells]
        assert shown[0] == shown[1]
        assert cells[0][2:] == [8]
        assert cells[1][2:] == ["no number"]

    @pytest.mark.parametrize(("ending", "compression"), [("gz", "gzip"), ("zst", "zstd")])
    def test_leaves_the_text_of_what_is_no_number_in_a_compressed_file(
        self, tmp_path: Path, ending: str, compression: str
    ) -> None:
        path = tmp_path / f"table.csv.{ending}"
        with pa.CompressedOutputStream(str(path), compression) as file:
            file.write(to_csv(ROWS.assign(width="wide")).encode())
        assert set(Table(str(path)).read(SCHEMA)["width"]) == {"wide"}

    def test_spaces_around_a_number_are_no_part_of_it(self, write: Write) -> None:
        data = Table(write("table.csv", "id,width,name\n 1,\t0.5 , a \n")).read(SCHEMA)
        assert data.to_numpy().tolist() == [[1, 0.5, " a "]]

    def test_reads_all_rows_if_a_late_one_has_no_number(self, write: Write) -> None:
        rows = 3 * BLOCK_BYTES // len("100000,0.5,a\n")
        lines = [f"{100_000 + row},0.5,a" for row in range(rows)]
        path = write("table.csv", "\n".join(["id,width,name", *lines, "1,wide,b", "2,1.5,c"]))
        data = pd.concat(Table(path).read_chunks(SCHEMA, 50_000), ignore_index=True)
        assert data["id"].tolist() == [*range(100_000, 100_000 + rows), 1, 2]
        assert data["width"][rows - 1 :].tolist() == [0.5, "wide", 1.5]
        assert data["name"].value_counts().to_dict() == {"a": rows, "b": 1, "c": 1}

    def test_keeps_large_integers_exact_beside_gaps(self, write: Write) -> None:
        data = Table(write("table.csv", f"id,width,name\n{2**53 + 1},1,a\n,2,b\n")).read(SCHEMA)
        assert data["id"].tolist() == [2**53 + 1, None]


class TestReadParquet:
    @pytest.mark.parametrize(
        ("column", "found", "values"),
        [
            pytest.param("width", pa.array([1, 2], pa.int8()), [1.0, 2.0], id="integers for floats"),
            pytest.param("width", pa.array([1, None], pa.int64()), [1.0, None], id="integers with gaps for floats"),
            pytest.param("width", pa.array([0.5, 1.5], pa.float32()), [0.5, 1.5], id="narrow floats"),
            pytest.param("width", pa.array([1, 2]).cast(pa.decimal128(20, 0)), [1.0, 2.0], id="decimals for floats"),
            pytest.param("width", pa.nulls(2), [None, None], id="no floats"),
            pytest.param("id", pa.array([1, 2], pa.int16()), [1, 2], id="narrow integers"),
            pytest.param("id", pa.array([1, 2], pa.uint64()), [1, 2], id="unsigned integers"),
            pytest.param("id", pa.array([2**53 + 1, None]), [2**53 + 1, None], id="large integers with gaps"),
            pytest.param("id", pa.array([1, 1]).dictionary_encode(), [1, 1], id="dictionary of integers"),
            pytest.param("id", pa.nulls(2), [None, None], id="no integers"),
            pytest.param("id", pa.array([2**63, 1], pa.uint64()), [str(2**63), 1], id="integer that is too large"),
            pytest.param("id", pa.array([1.0, None]), [1, None], id="floats with gaps for integers"),
            pytest.param("id", pa.array([3.0, np.nan]), [3, None], id="floats with NaN for integers"),
            pytest.param("id", pa.array([3.5, 1.0]), ["3.5", 1], id="fraction for integers"),
            pytest.param("id", pa.array([np.inf, 1.0]), ["inf", 1], id="infinity for integers"),
            pytest.param("id", pa.array([2.0**53, 2.0**53 - 1]), [str(2.0**53), 2**53 - 1], id="inexact for integers"),
            pytest.param("id", pa.array([3.0, 1.5], pa.float32()), [3, "1.5"], id="narrow floats for integers"),
            pytest.param("id", pa.array(np.array([3, 1.5], "float16")), [3, "1.5"], id="halves for integers"),
            pytest.param("id", pa.array([3.0, None]).dictionary_encode(), [3, None], id="dictionary of floats"),
            pytest.param("width", pa.array([2**53 + 1, -(2**53) - 1]), [2.0**53, -(2.0**53)], id="large integers"),
            pytest.param("width", pa.array([2**64 - 1, None], pa.uint64()), [2.0**64, None], id="largest integer"),
            pytest.param(
                "width", pa.array([2**53 + 1, 1]).dictionary_encode(), [2.0**53, 1.0], id="dictionary of large integers"
            ),
            pytest.param("width", pa.array(np.array([1.5, np.nan], "float16")), [1.5, None], id="halves for floats"),
            *(
                pytest.param("width", pa.array([Decimal("1.50"), None], kind), [1.5, None], id=f"{kind} for floats")
                for kind in (pa.decimal32(7, 2), pa.decimal64(9, 2), pa.decimal128(20, 2), pa.decimal256(50, 2))
            ),
            pytest.param("name", pa.array(["a", "NA"]), ["a", "NA"], id="text"),
            pytest.param("name", pa.nulls(2), [None, None], id="no text"),
        ],
    )
    def test_converts(self, write: Write, column: str, found: pa.Array, values: list[object]) -> None:
        series = Table(write("table.parquet", pa.table({column: found}))).read(pa.schema([SCHEMA.field(column)]))[
            column
        ]
        assert [None if value is None or value != value else value for value in series] == values
        if None not in values and not any(isinstance(value, str) for value in values):
            assert series.dtype == DTYPES[column]

    @pytest.mark.parametrize("wanted", [pa.string(), pa.large_string()], ids=str)
    @pytest.mark.parametrize("found", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
    def test_takes_text_however_it_is_stored(self, write: Write, found: pa.DataType, wanted: pa.DataType) -> None:
        path = write("table.parquet", pa.table({"name": pa.array(["a", None, ""], found)}))
        expected = pd.DataFrame({"name": ["a", None, ""]})
        pd.testing.assert_frame_equal(Table(path).read(pa.schema([("name", wanted)])), expected)

    @pytest.mark.parametrize("wanted", [pa.string(), pa.large_string()], ids=str)
    @pytest.mark.parametrize("found", [pa.string(), pa.large_string()], ids=str)
    def test_takes_text_from_a_dictionary(self, write: Write, found: pa.DataType, wanted: pa.DataType) -> None:
        column = pa.array(["a", None, "b", "a"], found).dictionary_encode()
        path = write("table.parquet", pa.table({"name": column}))
        expected = pd.DataFrame({"name": ["a", None, "b", "a"]})
        pd.testing.assert_frame_equal(Table(path).read(pa.schema([("name", wanted)])), expected)

    @pytest.mark.parametrize(
        ("column", "found", "types"),
        [
            pytest.param("width", pa.array(["1.5"]), "string instead of double", id="text for floats"),
            pytest.param("width", pa.array([True]), "bool instead of double", id="truth for floats"),
            pytest.param("id", pa.array(["1"]), "string instead of int64", id="text for integers"),
            pytest.param(
                "id", pa.array(["1"]).dictionary_encode(), "dictionary<.*> instead of int64", id="dictionary of text"
            ),
            pytest.param("name", pa.array([1]), "int64 instead of string", id="integers for text"),
            pytest.param("name", pa.array([b"a"]), "binary instead of string", id="bytes for text"),
        ],
    )
    def test_refuses_another_type(self, write: Write, column: str, found: pa.Array, types: str) -> None:
        data = {field.name: pa.nulls(1) for field in SCHEMA} | {column: found}
        with pytest.raises(TableError, match=rf"table\.parquet: the column {column} is {types}$"):
            Table(write("table.parquet", pa.table(data))).read(SCHEMA)

    def test_refuses_another_type_even_without_rows(self, write: Write) -> None:
        path = write("table.parquet", pa.table({"id": pa.array([], pa.string())}))
        with pytest.raises(TableError, match="the column id is string instead of int64"):
            Table(path).read(pa.schema([SCHEMA.field("id")]))

    def test_takes_a_folder_whose_files_have_different_types(self, write: Write, tmp_path: Path) -> None:
        columns: list[dict[str, Any]] = [
            {"id": pa.array([1], pa.int32()), "width": [1], "name": pa.array(["a"]).dictionary_encode()},
            {"id": [2], "width": pa.nulls(1), "name": ["b"], "note": ["x"]},
            {"width": pa.array([3.0], pa.float32()), "name": pa.nulls(1), "id": pa.array([3], pa.uint8())},
        ]
        for number, arrays in enumerate(columns):
            write(f"{number}.parquet", pa.table(arrays))
        expected = pd.DataFrame({"id": [1, 2, 3], "width": [1.0, None, 3.0], "name": ["a", "b", None]})
        pd.testing.assert_frame_equal(Table(str(tmp_path)).read(SCHEMA), expected)

    @pytest.mark.parametrize(
        ("moment", "value"),
        [
            *((datetime.datetime(year, 3, 29, 1, 2, 3, 456789), None) for year in (1, 1600, 2263, 9999)),
            (datetime.datetime(1970, 1, 1), "1970-01-01"),
            (datetime.datetime(1678, 1, 1), "1678-01-01"),
            (datetime.datetime(2262, 4, 11, 23, 47, 16, 854775), "2262-04-11T23:47:16.854775"),
            (datetime.datetime(2024, 2, 29, 1, 2, 3, 456789), "2024-02-29T01:02:03.456789"),
            (None, "NaT"),
        ],
    )
    @pytest.mark.parametrize("is_int96", [True, False], ids=["INT96", "microseconds"])
    def test_reads_timestamps_alike_however_they_are_stored(
        self, tmp_path: Path, moment: datetime.datetime | None, value: str | None, is_int96: bool
    ) -> None:
        path = tmp_path / "table.parquet"
        times = pa.array([moment, datetime.datetime(2024, 1, 1)], pa.timestamp("us"))
        pq.write_table(pa.table({"at": times}), path, use_deprecated_int96_timestamps=is_int96)
        read = Table(str(path)).read(pa.schema([("at", pa.timestamp("ns"))]))["at"]
        assert read[1] == pd.Timestamp("2024-01-01")
        if value is None:
            assert read[0] == str(moment)
        else:
            assert read[0] is pd.NaT if moment is None else read[0] == pd.Timestamp(value)

    @pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()], ids=str)
    @pytest.mark.parametrize("as_dictionary", [True, False])
    @pytest.mark.parametrize("bad", [b"\xff", "é".encode("cp1252"), "東京".encode("cp932"), b"\xed\xa0\x80", b"\xc3"])
    def test_refuses_text_that_is_not_utf_8(
        self, tmp_path: Path, kind: pa.DataType, as_dictionary: bool, bad: bytes
    ) -> None:
        path = tmp_path / "table.parquet"
        text = pa.array([b"good"] * 1000 + [bad]).view(pa.string()).cast(kind)
        text = text.cast(pa.string()).dictionary_encode() if as_dictionary else text
        pq.write_table(pa.table({"id": range(1001), "name": text, "other": text}), path)
        schema = pa.schema([("id", pa.int64()), ("name", pa.string())])
        with pytest.raises(TableError, match=r"table\.parquet: the column name has text that is not UTF-8: write it"):
            Table(str(path)).read(schema)
        assert len(Table(str(path)).read(schema.remove(1))) == 1001

    def test_names_the_file_whose_type_is_another(self, write: Write, tmp_path: Path) -> None:
        write("1.parquet", to_arrow(ROWS))
        write("2.parquet", pa.table({"id": ["1"], "width": [1.0], "name": ["a"]}))
        with pytest.raises(TableError, match=r"2\.parquet: the column id is string instead of int64"):
            Table(str(tmp_path)).read(SCHEMA)


class TestMemory:
    def test_refuses_a_table_that_is_too_large_as_soon_as_it_is(self, tmp_path: Path) -> None:
        """A file of a few bytes may have any number of rows."""
        path = tmp_path / "table.parquet"
        rows = 3_000_000
        columns = {"id": pa.array(np.zeros(rows, "int64")), "width": pa.array(np.zeros(rows))}
        pq.write_table(pa.table(columns), path, compression="zstd")
        assert path.stat().st_size < 100_000
        schema = pa.schema([("id", pa.int64()), ("width", pa.float64())])
        with pytest.raises(TableError) as caught:
            Table(str(path)).read(schema, 8 * 2**20)
        assert str(caught.value) == (
            f"the first 524,288 rows of {path} take more than 8 MiB of memory: "
            "train on a sample, or raise max_memory_share of LoadDataTask"
        )
        assert len(Table(str(path)).read(schema, 64 * 2**20)) == rows

    @pytest.mark.parametrize("place", ["first", "last"])
    def test_names_a_row_that_is_longer_than_a_block(self, tmp_path: Path, place: str) -> None:
        path = tmp_path / "table.csv"
        rows = ["1,x\n"] * 10
        rows.insert({"first": 0, "last": 10}[place], f'2,"{"y" * 3_000_000}"\n')
        path.write_text("id,name\n" + "".join(rows))
        with pytest.raises(TableError, match=f"{path}: a row is longer than 1,048,576 bytes: shorten its cells"):
            Table(str(path)).read(pa.schema([("id", pa.int64()), ("name", pa.string())]))


class TestReadFiles:
    def test_has_text_where_nothing_tells_the_type(self, tmp_path: Path) -> None:
        (tmp_path / "key=1").mkdir()
        (tmp_path / "key=1" / "a.csv").write_text("number,text,day,gap\n1,a,2024-01-02,\n2,b,2024-01-03,0.5\n")
        pd.DataFrame({"number": [3], "text": ["c"], "day": [datetime.date(2024, 1, 4)], "gap": [1.5]}).to_parquet(
            tmp_path / "key=1" / "b.parquet", index=False
        )
        (nothing, text), (typed, told) = Table(str(tmp_path)).read_files()
        assert nothing == {}
        assert {name: column.to_pylist() for name, column in text.items()} == {
            "key": ["1", "1"],
            "number": ["1", "2"],
            "text": ["a", "b"],
            "day": ["2024-01-02", "2024-01-03"],
            "gap": [None, "0.5"],
        }
        assert [str(column.type) for column in typed.values()] == ["int64", "large_string", "date32[day]", "double"]
        assert told["key"].to_pylist() == ["1"]

    @pytest.mark.parametrize(
        ("content", "message"), [('a,b\n1,"x\n2,y\n', "quote"), ("a,b\n1\n", "Expected 2 columns")]
    )
    def test_names_a_file_that_cannot_be_read(self, tmp_path: Path, content: str, message: str) -> None:
        (tmp_path / "a.csv").write_text(content)
        with pytest.raises(TableError, match=f"a.csv: .*{message}"):
            list(Table(str(tmp_path / "a.csv")).read_files())
