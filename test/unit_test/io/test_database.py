from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import luigi
import pyarrow as pa
import pytest

from gokart_pipeline_sample.errors import DatabaseError, SettingError
from gokart_pipeline_sample.io.database import SECTION, Source, bind, connect, find_source, query

DAY = datetime.date(2026, 11, 29)
ENDLESS = (
    "with recursive r(n) as (select 1 union all select n + 1 from r where n < 10000000) select count(*) as n from r"
)


@pytest.fixture
def describe() -> Iterator[Callable[..., None]]:
    """Describe a source in the configuration."""
    config, names = luigi.configuration.get_config(), []

    def add(name: str, **settings: str) -> None:
        names.append(f"{SECTION}{name}")
        for key, value in settings.items():
            config.set(names[-1], key, value)

    yield add
    for name in names:
        config.remove_section(name)


@pytest.fixture
def lite(describe: Callable[..., None], tmp_path: Path) -> Source:
    describe("lite", driver="adbc_driver_sqlite", uri=str(tmp_path / "flowers.sqlite"))
    with connect(find_source("lite"), 10) as session, session.connection.cursor() as cursor:
        session.call(cursor.execute, "create table flowers (id integer, day text)")
        session.call(cursor.execute, "insert into flowers values (1, '2026-11-28'), (2, '2026-11-29')")
        session.connection.commit()
    return find_source("lite")


@pytest.mark.parametrize(
    ("text", "numbered", "expected", "values"),
    [
        ("a = :x and b = :y or c=:x", True, "a = $1 and b = $2 or c=$3", [1, 2, 1]),
        ("a = :x and b = :y", False, "a = ? and b = ?", [1, 2]),
        ("(:x::int, a[1:y], ts::date, :y)", True, "($1::int, a[1:y], ts::date, $2)", [1, 2]),
        ("':x' \":x\" `:x` -- :x\n/* :x\n */ :y", False, "':x' \":x\" `:x` -- :x\n/* :x\n */ ?", [2]),
        ("'it''s :x' E'it\\'s :x' $$ :x $$ $a$ :x $$ :x $a$ :y", True, None, [2]),
        ("select 1", True, "select 1", []),
    ],
)
def test_names_are_bound_where_they_are_names(
    text: str, numbered: bool, expected: str | None, values: list[int]
) -> None:
    bound, given = bind(text, {"xy"[value - 1]: value for value in values}, numbered=numbered)
    assert bound == (expected or text.replace("$a$ :y", "$a$ $1"))
    assert given == values


@pytest.mark.parametrize(
    ("text", "given", "problem"),
    [
        ("select :x, :y", {"y": 1}, "the query needs a value of :x: give --parameter x=…"),
        ("select ':x' as y", {"x": 1}, "the query has no :x: write it there, or leave its value out"),
    ],
)
def test_names_and_values_must_agree(text: str, given: dict[str, int], problem: str) -> None:
    with pytest.raises(SettingError, match=f"^{problem}$"):
        bind(text, given, numbered=True)


def test_a_value_is_bound_and_never_pasted(lite: Source) -> None:
    hostile = "' or 1=1; drop table flowers; --"
    text = "select id from flowers where day >= :as_of and :x = :x"
    assert query(lite, text, {"as_of": DAY, "x": hostile}, 10).read_all().to_pydict() == {"id": [2]}
    assert query(lite, "select :x as x", {"x": hostile}, 10).read_all().to_pydict() == {"x": [hostile]}


def test_no_rows_have_a_schema(lite: Source) -> None:
    reader = query(lite, "select * from flowers where 0", {}, 10)
    assert (reader.schema.names, [*reader]) == (["id", "day"], [])


def test_what_is_not_committed_is_undone(lite: Source) -> None:
    with connect(lite, 10) as session, session.connection.cursor() as cursor:
        session.call(cursor.execute, "delete from flowers")
    assert query(lite, "select * from flowers", {}, 10).read_all().num_rows == 2


def test_an_error_is_one_line_without_the_query(lite: Source) -> None:
    with pytest.raises(DatabaseError) as caught:
        query(lite, "select * from roses where 'what'", {}, 10)
    assert str(caught.value).startswith("source lite: ")
    assert str(caught.value).endswith("no such table: roses: correct the statement, or the table that it names")


def test_a_statement_that_takes_too_long_is_given_up(lite: Source) -> None:
    started = time.monotonic()
    with pytest.raises(
        DatabaseError, match=r"source lite: it takes more than 0.2 s: ask for less, or raise timeout_sec"
    ):
        query(lite, ENDLESS, {}, 0.2)
    assert time.monotonic() - started < 30


@pytest.mark.parametrize("password", ["hunter2", "p@ss w/ord", "5432x", "x/y:z?q#@f", "a b"])
@pytest.mark.parametrize("quoted", [True, False])
def test_an_error_has_nothing_of_a_password(describe: Callable[..., None], password: str, quoted: bool) -> None:
    written = quote(password, safe="") if quoted else password
    describe(
        "down", driver="adbc_driver_postgresql", uri=f"postgresql://me:{written}@127.0.0.1:1/db".replace("%", "%%")
    )
    with pytest.raises(DatabaseError) as caught:
        query(find_source("down"), "select 1", {}, 10)
    told = f"{caught.value!r} {caught.value.__cause__}".replace("127.0.0.1", "").replace("Source.down", "")
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for piece in (password, written, *password.split("/")):
        assert piece not in told
    assert (
        "see that it runs, and that the uri of [gokart_pipeline_sample.Source.down] is right" in told or "down" in told
    )
    assert password not in repr(find_source("down"))


def test_a_library_is_a_driver(describe: Callable[..., None], tmp_path: Path) -> None:
    import adbc_driver_duckdb

    path = adbc_driver_duckdb.driver_path()
    describe("duck", driver=path, uri=str(tmp_path / "x.duckdb"), entrypoint="duckdb_adbc_init")
    assert query(find_source("duck"), "select 1::int as x", {}, 10).schema == pa.schema([("x", pa.int32())])


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, r"driver is missing in \[gokart_pipeline_sample.Source.x\]: set it to a module"),
        ({"driver": "adbc_driver_sqlite"}, r"uri is missing in \[gokart_pipeline_sample.Source.x\]: set it to that of"),
        ({"uri": "x"}, "driver is missing in .* set it to a module such as adbc_driver_postgresql, or the path"),
        ({"driver": "adbc_driver_nope", "uri": "x"}, 'adbc_driver_nope of .* is not installed: .* the extra "sql"'),
        ({"driver": "a", "uri": "${NOT_SET_AT_ALL}hunter2"}, r"uri in .* needs a variable that is not set, or .*%%"),
    ],
)
def test_a_source_that_cannot_be_used_is_named(
    describe: Callable[..., None], settings: dict[str, str], problem: str
) -> None:
    describe("x", **settings)
    with pytest.raises(SettingError, match=problem) as caught:
        find_source("x")
    assert "hunter2" not in f"{caught.value} {caught.value.__cause__}"
