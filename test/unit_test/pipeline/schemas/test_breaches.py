from __future__ import annotations

import pandas as pd

from gokart_pipeline_sample.pipeline.schemas.breaches import Breaches, describe_breach


def make_breaches(rows: list[int], column: str = "length", check: str = "greater_than(0)") -> pd.DataFrame:
    return pd.DataFrame({"row": rows, "column": column, "check": check})


DATA = pd.DataFrame({"key": list("abcdefgh")})


class TestBreaches:
    def test_says_nothing_of_nothing(self) -> None:
        breaches = Breaches("key")
        breaches.add(make_breaches([]), DATA)
        assert str(breaches) == ""
        assert breaches.counts == {}

    def test_names_column_check_rows_and_ids(self) -> None:
        breaches = Breaches("key")
        breaches.add(make_breaches([2, 0]), DATA)
        assert str(breaches) == "length breaks greater_than(0) in 2 rows, the first of them with key ['c', 'a']"

    def test_counts_from_piece_to_piece_and_keeps_the_first_ids(self) -> None:
        breaches = Breaches("key")
        for rows in ([0, 1, 2], [3], [4, 5, 6], [7]):
            breaches.add(make_breaches(rows), DATA)
        assert breaches.counts == {("length", "greater_than(0)"): 8}
        assert breaches.ids == {("length", "greater_than(0)"): ["a", "b", "c", "d", "e"]}

    def test_tells_columns_and_checks_apart(self) -> None:
        breaches = Breaches("key")
        breaches.add(
            pd.concat(
                [make_breaches([1]), make_breaches([1, 2], check="not_nullable"), make_breaches([3], column="width")]
            ),
            DATA,
        )
        breaches.add(make_breaches([4], check="not_nullable"), DATA)
        assert str(breaches) == (
            "length breaks greater_than(0) in 1 rows, the first of them with key ['b']; "
            "length breaks not_nullable in 3 rows, the first of them with key ['b', 'c', 'e']; "
            "width breaks greater_than(0) in 1 rows, the first of them with key ['d']"
        )

    def test_finds_the_ids_by_the_index(self) -> None:
        breaches = Breaches("key")
        breaches.add(make_breaches([10]), DATA.set_axis(range(9, 17)))
        assert breaches.ids == {("length", "greater_than(0)"): ["b"]}

    def test_starts_without_what_another_has_counted(self) -> None:
        Breaches("key").add(make_breaches([1]), DATA)
        assert Breaches("key").counts == Breaches("key").ids == {}


class TestDescribeBreach:
    def test_says_it_in_one_clause(self) -> None:
        assert describe_breach("width", "not_nullable", 3, "id", [7, 8]) == (
            "width breaks not_nullable in 3 rows, the first of them with id [7, 8]"
        )
