from __future__ import annotations

import asyncio

import pytest

from gokart_pipeline_sample.errors import ClusterError
from gokart_pipeline_sample.pipeline.batch.score_table import ScoreTableTask
from gokart_pipeline_sample.utils.dask_workers import connecting, describe_process, require_likeness


def test_a_process_is_like_itself() -> None:
    described = describe_process(ScoreTableTask)
    assert {"Python", "lightgbm", "pandas", "pyarrow", "pandera", "numpy", "the code", "the S3"} <= described.keys()
    require_likeness(described, ScoreTableTask, "")


def test_differences_are_named() -> None:
    described = describe_process(ScoreTableTask)
    expected = {**described, "pandas": "1.0", "the code": "0"}
    with pytest.raises(ClusterError) as caught:
        require_likeness(expected, ScoreTableTask, "")
    assert str(caught.value) == (
        f"a Dask worker has pandas {described['pandas']} instead of 1.0, "
        f"the code {described['the code']} instead of 0: "
        "give scheduler and workers the environment of this run, and restart them after a change"
    )


def test_the_scheduler_may_have_another_s3() -> None:
    expected = {**describe_process(ScoreTableTask), "the S3": "https://s3.example"}
    require_likeness(expected, ScoreTableTask, "a bucket", on_scheduler=True)
    with pytest.raises(ClusterError, match=r"a Dask worker has the S3 \S+ instead of https://s3\.example: give"):
        require_likeness(expected, ScoreTableTask, "")


def test_the_embedded_s3_is_named_as_the_reason() -> None:
    expected = {**describe_process(ScoreTableTask), "the S3": "http://127.0.0.1:8333"}
    with pytest.raises(ClusterError, match="the embedded S3 serves this machine alone: set BUCKET_NAME"):
        require_likeness(expected, ScoreTableTask, "")


def test_a_notebook_has_a_loop_that_runs() -> None:
    async def connect() -> None:
        with connecting("tcp://127.0.0.1:1", 1, ScoreTableTask, ""):
            pass

    with pytest.raises(ClusterError, match=r"tcp://127\.0\.0\.1:1: no Dask scheduler answers there: correct dask_sch"):
        asyncio.run(connect())
