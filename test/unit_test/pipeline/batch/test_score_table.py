from __future__ import annotations

import pytest

from gokart_pipeline_sample.io.manifest import Part
from gokart_pipeline_sample.pipeline.batch.manifest import UnseenValues
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask, add_unseen


def make_parts(rows: dict[str, int]) -> dict[str, Part]:
    return {name: Part(key=f"batch/{name}", rows=count, size=1, sha256="0") for name, count in rows.items()}


def names_of(parts: list[Part]) -> list[str]:
    return [part["key"].removeprefix("batch/") for part in parts]


class TestListParts:
    def test_separates_rejected_rows(self) -> None:
        parts = make_parts({"part-00001.csv": 4, "rejected/part-00001.csv": 1, "part-00000.csv": 5})
        published, rejected = ScoreTableTask.list_parts(parts, 10)
        assert published == [parts["part-00000.csv"], parts["part-00001.csv"]]
        assert rejected == [parts["rejected/part-00001.csv"]]

    def test_keeps_the_order_of_the_table_with_any_number_of_parts(self) -> None:
        numbers = [100_000, 9, 99_999, 100_001, 10, 0, 1_000_000, 12_345]
        parts = make_parts({f"{folder}part-{number:05d}.csv": 1 for number in numbers for folder in ("", "rejected/")})
        published, rejected = ScoreTableTask.list_parts(parts, 2 * len(numbers))
        expected = [f"part-{number:05d}.csv" for number in sorted(numbers)]
        assert names_of(published) == expected
        assert names_of(rejected) == [f"rejected/{name}" for name in expected]

    def test_takes_a_table_without_rows(self) -> None:
        parts = make_parts({"part-00000.csv": 0})
        assert ScoreTableTask.list_parts(parts, 0) == ([parts["part-00000.csv"]], [])

    @pytest.mark.parametrize("rows", [8, 10])
    def test_refuses_rows_that_do_not_add_up(self, rows: int) -> None:
        parts = make_parts({"part-00000.csv": 6, "part-00001.csv": 2, "rejected/part-00001.csv": 1})
        with pytest.raises(ValueError, match=f"{rows} rows came in, 8 are published and 1 rejected"):
            ScoreTableTask.list_parts(parts, rows)


@pytest.mark.parametrize(("rows", "is_allowed"), [(0, False), (1, True), (2**31 - 1, True), (2**31, False)])
def test_a_part_has_at_least_one_row_and_a_number_that_fits(rows: int, is_allowed: bool) -> None:
    parse = ScoreTableTask.rows_per_part.parse
    if is_allowed:
        assert parse(str(rows)) == rows
    else:
        with pytest.raises(ValueError, match="is not in the set of int"):
            parse(str(rows))


def test_values_that_are_unseen_are_summed_over_the_parts(caplog: pytest.LogCaptureFixture) -> None:
    first = UnseenValues(rows=4, values=["new 1", "new 2"])
    second = UnseenValues(rows=22, values=["new 2", *(f"more {number}" for number in range(9))])
    added = add_unseen([{"city": first}, {}, {"city": second, "street": UnseenValues(rows=1, values=["x"])}])
    assert added["city"]["rows"] == 26
    assert added["city"]["values"] == ["new 1", "new 2", *(f"more {number}" for number in range(8))]
    assert added["street"] == {"rows": 1, "values": ["x"]}
    assert "26 rows have values of city that no training row has: ['new 1'," in caplog.text


def test_no_values_are_unseen_in_no_parts() -> None:
    assert add_unseen([]) == {}
    assert add_unseen([{}, {}]) == {}
