from __future__ import annotations

import pytest

from gokart_pipeline_sample.pipeline.batch.publish_batch import compare_rows


class TestCompareRows:
    @pytest.mark.parametrize(
        ("rows", "earlier", "share"),
        [(50, [100], 0.5), (200, [100], 2.0), (7, [], 1.0), (100, [1, 90, 110, 5000], 1.0), (10, [0, 0, 0, 10], 1.0)],
    )
    def test_finds_nothing_from_half_of_the_median_to_twice_as_many(
        self, rows: int, earlier: list[int], share: float
    ) -> None:
        assert compare_rows(rows, earlier) == (share, [])

    @pytest.mark.parametrize(
        ("rows", "earlier", "share"), [(49, [100], 0.49), (201, [100], 2.01), (20, [200, 190, 5000], 0.1)]
    )
    def test_finds_far_fewer_and_far_more(self, rows: int, earlier: list[int], share: float) -> None:
        alarm = f"rows: {rows} are published, {share} times the usual number"
        assert compare_rows(rows, earlier) == (share, [alarm])

    @pytest.mark.parametrize("earlier", [[], [100], [0, 0]])
    def test_finds_that_there_is_no_row(self, earlier: list[int]) -> None:
        assert compare_rows(0, earlier) == (0.0, ["rows: 0 are published, 0.0 times the usual number"])
