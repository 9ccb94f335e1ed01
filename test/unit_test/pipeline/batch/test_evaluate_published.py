from __future__ import annotations

import pandas as pd
import pytest

from gokart_pipeline_sample.errors import TableError
from gokart_pipeline_sample.pipeline.batch.evaluate_published import JoinTruthTask

PUBLISHED = pd.DataFrame({"id": [3, 1, 2, 5], "pred": [0, 1, 2, 2]})


class TestCountRight:
    def test_matches_rows_by_id(self) -> None:
        truth = pd.DataFrame({"id": [1, 2, 3, 4, 5], "target": [1, 2, 1, 0, 2]})
        assert JoinTruthTask.count_right(PUBLISHED, truth) == (4, 3)
        assert JoinTruthTask.count_right(PUBLISHED, truth[::-1]) == (4, 3)

    def test_passes_over_rows_whose_truth_is_not_known(self) -> None:
        truth = pd.DataFrame({"id": [1, 3, 9], "target": [1, None, 0]})
        assert JoinTruthTask.count_right(PUBLISHED, truth) == (1, 1)
        assert JoinTruthTask.count_right(PUBLISHED, truth[2:]) == (0, 0)

    @pytest.mark.parametrize("rows", [0, 4])
    def test_counts_no_rows(self, rows: int) -> None:
        truth = pd.DataFrame({"id": pd.Series(dtype="int64"), "target": pd.Series(dtype="int64")})
        assert JoinTruthTask.count_right(PUBLISHED[:rows], truth) == (0, 0)
        assert JoinTruthTask.count_right(PUBLISHED[:0], truth) == (0, 0)

    def test_takes_text(self) -> None:
        published = pd.DataFrame({"id": ["007", "NA"], "pred": ["1", "x"]}, dtype="str")
        truth = pd.DataFrame({"id": ["NA", "007"], "target": ["x", "2"]}, dtype="str")
        assert JoinTruthTask.count_right(published, truth) == (2, 1)

    def test_refuses_ids_that_occur_twice(self) -> None:
        truth = pd.DataFrame({"id": [1, 2, 2, 1, 3], "target": [1, 2, 1, 1, 0]})
        with pytest.raises(TableError, match=r"ids that occur more than once, the first of them \[2, 1\]"):
            JoinTruthTask.count_right(PUBLISHED, truth)
