from __future__ import annotations

import pyarrow as pa
import pytest

from gokart_pipeline_sample.io.tables.casts import NO_VALUE, cast

TIME = pa.timestamp("ns")


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T00:00:00",
        "2024-01-01 00:00",
        "2024-01-01",
        " 2024-01-01T00:00:00Z ",
        "2024-01-01T00:00:00.000Z",
        "2024-01-01T09:00:00+09:00",
        "2024-01-01 09:00:00+0900",
        "2024-01-01 09:00:00 +0900",
        "2024-01-01 09:00:00+09",
        "2023-12-31 19:00:00-05:00",
        "2024-01-01 00:00:00 UTC",
        "2024-01-01 00:00:00.000000 UTC",
        "2024-01-01 00:00:00 GMT",
        "2024-01-01 05:30+05:30",
    ],
)
@pytest.mark.parametrize("others", [[], ["2024-01-01"], ["2024-01-01T00:00:00Z"], [None], [""]])
def test_times_are_read_as_utc(text: str, others: list[str | None]) -> None:
    read = cast(pa.array([text, *others], pa.string()), TIME)
    assert {str(value) for value in read.to_pylist()} <= {"2024-01-01 00:00:00", "None"}
    assert read.type == TIME
    assert read[0].is_valid


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-01T25:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-01T00:00:00 JST",
        "2024-01-01T00:00:00+99:00",
        "2024-01-01Z",
        "9999-12-31T00:00:00Z",
        "2262-04-11T23:40:00-05:00",
        "1677-09-21T05:00:00+09:00",
        "2024/01/15",
        "1704067200",
    ],
)
def test_other_times_are_not_read(text: str) -> None:
    with pytest.raises(pa.ArrowInvalid):
        cast(pa.array(["2024-01-01T00:00:00Z", text]), TIME)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1", pa.int64()), ("2.5", pa.float64()), ("true", pa.bool_()), ("2024-01-01", TIME), ("2024-01-01T00:00Z", TIME)],
)
@pytest.mark.parametrize("word", [*NO_VALUE, " NULL ", "\t"])
def test_a_word_without_a_value_is_missing_unless_the_column_is_text(text: str, wanted: pa.DataType, word: str) -> None:
    cells = pa.array([text, word])
    assert cast(cells, wanted).is_null(nan_is_null=True).to_pylist() == [False, True]
    assert cast(cells, pa.string()).to_pylist() == [text, word]
