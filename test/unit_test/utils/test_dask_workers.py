from __future__ import annotations

import threading

import pytest

from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.utils.dask_workers import describe_process, explain_differences, limit_time


def test_a_process_is_like_itself() -> None:
    described = describe_process(ScoreTableTask)
    assert {"Python", "lightgbm", "pandas", "pyarrow", "pandera", "numpy", "the code"} <= described.keys()
    assert explain_differences(described, described) == ""


def test_differences_are_named() -> None:
    expected = {**describe_process(ScoreTableTask), "the S3": "https://s3.example"}
    found = {**describe_process(ScoreTableTask), "pandas": "1.0", "the code": "0"}
    assert explain_differences(found, expected) == (
        f"pandas 1.0 instead of {expected['pandas']}, the code 0 instead of {expected['the code']}"
    )


def test_the_result_of_a_function_in_time_is_returned() -> None:
    assert limit_time(5, lambda: 3) == 3


def test_the_error_of_a_function_in_time_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        limit_time(5, lambda: 1 / 0)


def test_a_function_that_does_not_return_is_not_waited_for() -> None:
    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        limit_time(0.01, threading.Event().wait)
